"""Sketch the raw files of one shard, and find their anomalies."""

from ecgpipe.artifacts.tables import SKETCHES, read_shard
from ecgpipe.audit.sketch import sketch_records
from ecgpipe.logs import job_log
from ecgpipe.progress import progress

with job_log(snakemake):
    records = read_shard(snakemake.input.records, snakemake.wildcards.shard)
    title = f"audit {snakemake.wildcards.dataset}/{snakemake.wildcards.shard}"
    options = snakemake.params.reading
    reading = {"derive_leads": options.get("derive_leads", False), **options.get("reading", {})}
    sketches = sketch_records(records, snakemake.params.source, **reading)
    rows = progress(sketches, title, len(records))
    SKETCHES.write(list(rows), snakemake.output[0])
