"""Measures of one run's saliency maps."""

from pathlib import Path

from ecgpipe.config.explain import ExplainConfig
from ecgpipe.config.preprocess import PreprocessConfig
from ecgpipe.direct.pages import page_source
from ecgpipe.explain.measure import measure_run
from ecgpipe.logs import job_log

with job_log(snakemake.log[0]):
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
        threads=snakemake.threads,
    )
