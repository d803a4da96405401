"""labels.parquet and its counts."""

from ecgpipe.acquire.cardiac_layout import CLASSES
from ecgpipe.acquire.labels import labels_of_records
from ecgpipe.acquire.statements import grouping
from ecgpipe.artifacts.atomic import atomic_path, write_json
from ecgpipe.artifacts.labels import DROPPED
from ecgpipe.artifacts.records import RECORDS
from ecgpipe.config.labels import LabelsConfig
from ecgpipe.logs import job_log

with job_log(snakemake.log[0]):
    if snakemake.wildcards.dataset == "cardiac-images":
        # a folder is the label: one class each, whatever the policy for statements is
        classes, group_of, config = CLASSES, {name: name for name in CLASSES}, LabelsConfig()
    else:
        config = LabelsConfig(**snakemake.params.labels)
        group_of, classes = grouping(snakemake.params.source, config.grouping)
    labels, counts = labels_of_records(RECORDS.read(snakemake.input.records), group_of, classes, config)
    labels.write(snakemake.output.labels)
    write_json(snakemake.output.counts, {"policy": config.policy, "grouping": config.grouping, **counts.as_dict()})
    with atomic_path(snakemake.output.table) as partial:
        counts.as_table().to_csv(partial, index=False)
    DROPPED.write(counts.dropped_records, snakemake.output.dropped)
