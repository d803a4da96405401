"""Measure the saliency maps of one run."""

from pathlib import Path

from ecgpipe.config.analysis import ExplainConfig
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.explain.measure_run import measure_run
from ecgpipe.gpus import requested_gpus, reserve_gpus
from ecgpipe.imaging.pages import page_source
from ecgpipe.logs import job_log

with job_log(snakemake), reserve_gpus(requested_gpus(snakemake.resources)):
    measure_run(
        Path(snakemake.input.run).parent,
        snakemake.input.maps,
        snakemake.input.others,
        page_source(snakemake.input.pages, snakemake.input.records, snakemake.params.drawing),
        snakemake.input.findings,
        snakemake.input.records,
        PreprocessConfig(**snakemake.params.preprocess).margins,
        snakemake.input.indices,
        ExplainConfig(**snakemake.params.explain),
        snakemake.params.resampling,
        snakemake.output.table,
        snakemake.output.summary,
        duplicates=snakemake.input.duplicates,
        threads=snakemake.threads,
    )
