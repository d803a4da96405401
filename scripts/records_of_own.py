"""records.parquet of a data set of one's own."""

from ecgpipe.acquire.own import list_own
from ecgpipe.artifacts.problems import ProblemList
from ecgpipe.artifacts.records import RECORDS
from ecgpipe.config.own import OwnConfig
from ecgpipe.logs import job_log

with job_log(snakemake.log[0]):
    settings = dict(snakemake.params.settings)
    shards = settings.pop("shards")
    config = OwnConfig(source=snakemake.params.source, **settings)
    records, errors = list_own(snakemake.wildcards.dataset, config, shards)
    problems = ProblemList("records", snakemake.config["strict"])
    problems.extend(errors)
    RECORDS.write(records, snakemake.output.records)
    problems.write(snakemake.output.problems)
