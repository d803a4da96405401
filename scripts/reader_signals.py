"""Collect the recordings that the page reader's training pages show."""

from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.logs import job_log
from ecgpipe.reader.signals import collect_signals

with job_log(snakemake):
    drawings = snakemake.params.drawings
    tables = map(RECORDS.read, snakemake.input.records)
    datasets = [(name, table, drawings[name]) for name, table in zip(drawings, tables, strict=True)]
    collect_signals(datasets, snakemake.params.records, snakemake.params.seed, snakemake.output[0])
