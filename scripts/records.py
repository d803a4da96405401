"""records.parquet of a copy of PTB-XL."""

from ecgpipe.acquire.ptbxl import list_records
from ecgpipe.artifacts.problems import ProblemList
from ecgpipe.artifacts.records import RECORDS
from ecgpipe.logs import job_log

with job_log(snakemake.log[0]):
    records, errors = list_records(snakemake.params.source, **snakemake.params.settings)
    problems = ProblemList("records", snakemake.config["strict"])
    problems.extend(errors)
    RECORDS.write(records, snakemake.output.records)
    problems.write(snakemake.output.problems)
