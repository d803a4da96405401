"""Make the labels of all records, and count them."""

from ecgpipe.acquire.dataset_labels import label_dataset
from ecgpipe.artifacts.files import atomic_path, write_json
from ecgpipe.artifacts.tables import DROPPED, RECORDS
from ecgpipe.config.data import LabelsConfig
from ecgpipe.logs import job_log

with job_log(snakemake):
    params, output = snakemake.params, snakemake.output
    made = label_dataset(
        RECORDS.read(snakemake.input.records),
        LabelsConfig(**params.labels),
        params.source,
        key=params.key,
        classes=params.classes,
        code_table=params.code_table,
        plus=params.plus,
    )
    made.labels.write(output.labels)
    write_json(output.counts, made.as_dict())
    with atomic_path(output.table) as partial:
        made.as_table().to_csv(partial, index=False)
    DROPPED.write(made.counts.dropped_records, output.dropped)
