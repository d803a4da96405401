"""Read the digitized signals of one shard for the signal reference."""

from ecgpipe.artifacts.tables import read_shard
from ecgpipe.baselines.features import digitized_signals
from ecgpipe.logs import job_log

with job_log(snakemake):
    records = read_shard(snakemake.input.records, snakemake.wildcards.shard)
    digitized_signals(list(records["record_id"]), snakemake.input.digitized).write(snakemake.output[0])
