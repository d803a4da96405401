"""Digitize the pages of one shard."""

from ecgpipe.imaging.digitize import digitize_pages
from ecgpipe.imaging.pages import page_source, raw_files
from ecgpipe.logs import job_log

with job_log(snakemake):
    drawing, shard = snakemake.params.drawing, snakemake.wildcards.shard
    stored = [snakemake.input.pages] if snakemake.input.pages else []
    digitize_pages(
        page_source(stored, snakemake.input.records, None if stored else drawing, shard),
        snakemake.params.reader_weights,
        snakemake.output.digitized,
        snakemake.output.problems,
        title=f"digitize {snakemake.wildcards.dataset}/{shard}",
        strict=snakemake.config["strict"],
        workers=snakemake.threads,
        names=raw_files(snakemake.input.records, drawing, shard),
    )
