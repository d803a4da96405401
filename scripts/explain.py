"""Saliency of one run."""

from pathlib import Path

from ecgpipe.config.explain import ExplainConfig
from ecgpipe.config.preprocess import PreprocessConfig
from ecgpipe.direct.pages import page_source
from ecgpipe.explain.run import explain_run
from ecgpipe.logs import job_log

with job_log(snakemake.log[0]):
    explain_run(
        Path(snakemake.input.run).parent,
        Path(snakemake.input.reference).parent,
        page_source(snakemake.input.pages, snakemake.input.records, snakemake.params.drawing),
        PreprocessConfig(**snakemake.params.preprocess).margins,
        snakemake.input.indices,
        ExplainConfig(**snakemake.params.explain),
        snakemake.output.maps,
        snakemake.output.overlays,
        threads=snakemake.threads,
    )
