"""records.parquet of a data set of one's own."""

from ecgpipe.acquire.own import list_own_records
from ecgpipe.artifacts.tables import RECORDS, ProblemList
from ecgpipe.config.data import OwnConfig
from ecgpipe.logs import job_log

with job_log(snakemake):
    settings = dict(snakemake.params.settings)
    shards = settings.pop("shards")
    config = OwnConfig(source=snakemake.params.source, **settings)
    records, errors = list_own_records(snakemake.wildcards.dataset, config, shards)
    problems = ProblemList("records", snakemake.config["strict"])
    problems.extend(errors)
    RECORDS.write(records, snakemake.output.records)
    problems.write(snakemake.output.problems)
