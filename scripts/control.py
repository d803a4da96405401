"""Predictions of one control experiment."""

from ecgpipe.artifacts.labels import Labels
from ecgpipe.artifacts.splits import SPLIT
from ecgpipe.config.control import ControlConfig
from ecgpipe.control.run import run_control
from ecgpipe.logs import job_log

with job_log(snakemake.log[0]):
    run_control(
        snakemake.wildcards.variant,
        SPLIT.read(snakemake.input.split),
        Labels.read(snakemake.input.labels),
        snakemake.input.features,
        ControlConfig(**snakemake.params.control),
        int(snakemake.wildcards.seed),
    ).write(snakemake.output[0])
