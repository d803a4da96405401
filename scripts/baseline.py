"""Predictions of one baseline."""

from ecgpipe.artifacts.tables import SPLIT, Labels
from ecgpipe.config.analysis import BaselinesConfig
from ecgpipe.control.run import run_control
from ecgpipe.logs import job_log

with job_log(snakemake):
    run_control(
        snakemake.wildcards.variant,
        SPLIT.read(snakemake.input.split),
        Labels.read(snakemake.input.labels),
        snakemake.input.features,
        BaselinesConfig(**snakemake.params.baselines),
        int(snakemake.wildcards.seed),
    ).write(snakemake.output[0])
