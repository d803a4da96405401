"""Read the signals of one shard for the signal reference."""

from ecgpipe.artifacts.tables import read_shard
from ecgpipe.baselines.features import shard_signals
from ecgpipe.logs import job_log

with job_log(snakemake):
    shard_signals(
        read_shard(snakemake.input.records, snakemake.wildcards.shard),
        snakemake.params.source,
        snakemake.params.reading["sampling_rate"],
        title=f"signals {snakemake.wildcards.dataset}/{snakemake.wildcards.shard}",
        derive_leads=snakemake.params.reading["derive_leads"],
        reading=snakemake.params.reading.get("reading"),
    ).write(snakemake.output[0])
