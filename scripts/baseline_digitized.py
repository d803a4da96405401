"""Read the digitized signals of one shard for the signal reference."""

from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.baselines.digitized import digitized_signals
from ecgpipe.logs import job_log

with job_log(snakemake):
    records = RECORDS.read(snakemake.input.records)
    ids = records.loc[records["shard"] == snakemake.wildcards.shard, "record_id"]
    digitized_signals(list(ids), snakemake.input.digitized).write(snakemake.output[0])
