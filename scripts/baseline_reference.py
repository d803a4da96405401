"""Train the signal reference and predict with it."""

from ecgpipe.artifacts.tables import SPLIT, Labels
from ecgpipe.baselines.signal_reference import run_reference
from ecgpipe.gpus import requested_gpus, reserve_gpus
from ecgpipe.logs import job_log

with job_log(snakemake), reserve_gpus(requested_gpus(snakemake.resources)):
    run_reference(
        SPLIT.read(snakemake.input.split),
        Labels.read(snakemake.input.labels),
        snakemake.input.signals,
        int(snakemake.wildcards.seed),
        threads=snakemake.threads,
    ).write(snakemake.output[0])
