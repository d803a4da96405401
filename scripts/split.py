"""Split a dataset."""

from ecgpipe.artifacts.files import write_json
from ecgpipe.artifacts.tables import DUPLICATES, IMAGE_INDEX, RECORDS, SPLIT, Labels
from ecgpipe.config.data import SplitConfig
from ecgpipe.logs import job_log
from ecgpipe.split.protocols import split_table

with job_log(snakemake):
    split, counts = split_table(
        snakemake.wildcards.protocol,
        RECORDS.read(snakemake.input.records),
        Labels.read(snakemake.input.labels),
        [IMAGE_INDEX.read(index) for index in snakemake.input.indices],
        SplitConfig(**snakemake.params.split),
        int(snakemake.wildcards.seed),
        DUPLICATES.read(snakemake.input.duplicates) if snakemake.input.duplicates else None,
    )
    SPLIT.write(split, snakemake.output.split)
    write_json(snakemake.output.counts, counts)
