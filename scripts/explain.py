"""Make saliency maps of one run, and draw them over pages."""

from pathlib import Path

from ecgpipe.config.analysis import ExplainConfig
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.explain.run import explain_run
from ecgpipe.gpus import requested_gpus, reserve_gpus
from ecgpipe.imaging.pages import page_source
from ecgpipe.logs import job_log

with job_log(snakemake), reserve_gpus(requested_gpus(snakemake.resources)):
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
