"""records.parquet of a copy of PTB-XL."""

from ecgpipe.acquire.ptbxl import list_ptbxl_records
from ecgpipe.artifacts.tables import RECORDS, ProblemList
from ecgpipe.logs import job_log

with job_log(snakemake):
    records, errors = list_ptbxl_records(snakemake.params.source, **snakemake.params.settings)
    problems = ProblemList("records", snakemake.config["strict"])
    problems.extend(errors)
    RECORDS.write(records, snakemake.output.records)
    problems.write(snakemake.output.problems)
