"""One split of a data set."""

from ecgpipe.artifacts.atomic import write_json
from ecgpipe.artifacts.image_index import IMAGE_INDEX
from ecgpipe.artifacts.labels import Labels
from ecgpipe.artifacts.records import RECORDS
from ecgpipe.artifacts.splits import SPLIT
from ecgpipe.artifacts.twins import TWINS
from ecgpipe.config.split import SplitConfig
from ecgpipe.logs import job_log
from ecgpipe.split.table import split_table

with job_log(snakemake.log[0]):
    split, counts = split_table(
        snakemake.wildcards.protocol,
        RECORDS.read(snakemake.input.records),
        Labels.read(snakemake.input.labels),
        [IMAGE_INDEX.read(index) for index in snakemake.input.indices],
        SplitConfig(**snakemake.params.split),
        int(snakemake.wildcards.seed),
        TWINS.read(snakemake.input.twins) if snakemake.input.twins else None,
    )
    SPLIT.write(split, snakemake.output.split)
    write_json(snakemake.output.counts, counts)
