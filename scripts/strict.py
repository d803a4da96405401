"""Fail if any record was left out."""

from ecgpipe.artifacts.tables import PROBLEMS
from ecgpipe.errors import DataError
from ecgpipe.logs import job_log

with job_log(snakemake):
    for file in snakemake.input:
        for row in PROBLEMS.read(file).itertuples():
            raise DataError(f"record {row.record_id}: {row.file}: {row.detail} (strict: true allows no problem)")
