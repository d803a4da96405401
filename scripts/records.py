"""List the records of a dataset."""

from ecgpipe.acquire.datasets import list_records
from ecgpipe.artifacts.tables import RECORDS, ProblemList
from ecgpipe.logs import job_log

with job_log(snakemake):
    params = snakemake.params
    records, errors = list_records(params.layout, snakemake.wildcards.dataset, params.source, params.settings)
    problems = ProblemList("records", snakemake.config["strict"])
    problems.extend(errors)
    RECORDS.write(records, snakemake.output.records)
    problems.write(snakemake.output.problems)
