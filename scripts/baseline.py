"""Predict with one baseline."""

from ecgpipe.artifacts.tables import SPLIT, Labels
from ecgpipe.baselines.classifiers import run_baseline
from ecgpipe.logs import job_log

with job_log(snakemake):
    run_baseline(
        snakemake.wildcards.variant,
        SPLIT.read(snakemake.input.split),
        Labels.read(snakemake.input.labels),
        snakemake.input.features,
        int(snakemake.wildcards.seed),
    ).write(snakemake.output[0])
