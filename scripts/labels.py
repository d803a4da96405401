"""Make the labels of all records, and count them."""

from ecgpipe.acquire.labels import check_splittable, label_classes, make_labels, read_grouping
from ecgpipe.artifacts.files import atomic_path, write_json
from ecgpipe.artifacts.tables import DROPPED, RECORDS
from ecgpipe.config.data import LabelsConfig
from ecgpipe.logs import job_log

with job_log(snakemake):
    records, config = RECORDS.read(snakemake.input.records), LabelsConfig(**snakemake.params.labels)
    if snakemake.params.classes is None:
        name, key = config.grouping, "labels"
        group_of, classes = read_grouping(snakemake.params.source, name)
    else:
        name, key = "its own", snakemake.params.key
        group_of, classes = label_classes(records, snakemake.params.classes, key)
    labels, counts = make_labels(records, group_of, classes, config, key)
    if snakemake.params.classes is not None:
        check_splittable(counts, key)
    labels.write(snakemake.output.labels)
    write_json(snakemake.output.counts, {"policy": config.policy, "grouping": name, **counts.as_dict()})
    with atomic_path(snakemake.output.table) as partial:
        counts.as_table().to_csv(partial, index=False)
    DROPPED.write(counts.dropped_records, snakemake.output.dropped)
