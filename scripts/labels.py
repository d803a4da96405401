"""labels.parquet and its counts."""

from ecgpipe.acquire.cardiac_layout import CLASSES
from ecgpipe.acquire.labels import labels_of_records
from ecgpipe.acquire.ptbxl import superclass_of
from ecgpipe.artifacts.atomic import write_json
from ecgpipe.artifacts.records import RECORDS
from ecgpipe.config.acquire import SUPERCLASSES, LabelsConfig
from ecgpipe.logs import job_log

with job_log(snakemake.log[0]):
    if snakemake.wildcards.dataset == "cardiac-images":
        # a folder is the label: one class each, whatever the policy for statements is
        classes, group_of, config = CLASSES, {name: name for name in CLASSES}, LabelsConfig()
    else:
        classes, group_of = SUPERCLASSES, superclass_of(snakemake.params.source)
        config = LabelsConfig(**snakemake.params.labels)
    labels, counts = labels_of_records(RECORDS.read(snakemake.input.records), group_of, classes, config)
    labels.write(snakemake.output.labels)
    write_json(snakemake.output.counts, {"policy": config.policy, **counts.as_dict()})
