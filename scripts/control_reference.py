"""Predictions of the signal reference."""

from ecgpipe.artifacts.labels import Labels
from ecgpipe.artifacts.splits import SPLIT
from ecgpipe.control.reference import run_reference
from ecgpipe.gpus import gpus_asked, own_gpus
from ecgpipe.logs import job_log

with job_log(snakemake.log[0]), own_gpus(gpus_asked(snakemake.resources)):
    run_reference(
        SPLIT.read(snakemake.input.split),
        Labels.read(snakemake.input.labels),
        snakemake.input.signals,
        snakemake.params.epochs,
        int(snakemake.wildcards.seed),
        threads=snakemake.threads,
    ).write(snakemake.output[0])
