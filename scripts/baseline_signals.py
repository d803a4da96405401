"""Read the signals of one shard for the signal reference."""

from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.baselines.features import shard_signals
from ecgpipe.logs import job_log

with job_log(snakemake):
    records = RECORDS.read(snakemake.input.records)
    shard_signals(
        records[records["shard"] == snakemake.wildcards.shard],
        snakemake.params.source,
        snakemake.params.reading["sampling_rate"],
        title=f"signals {snakemake.wildcards.dataset}/{snakemake.wildcards.shard}",
        derive_leads=snakemake.params.reading["derive_leads"],
        reading=snakemake.params.reading.get("reading"),
    ).write(snakemake.output[0])
