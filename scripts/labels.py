"""Make the labels of all records, and count them."""

import pandas as pd

from ecgpipe.acquire.challenge_2024 import mark_acute
from ecgpipe.acquire.header_labels import classes_of_codes, code_classes, read_code_table
from ecgpipe.acquire.labels import check_splittable, label_classes, make_labels, read_grouping
from ecgpipe.artifacts.files import atomic_path, write_json
from ecgpipe.artifacts.tables import DROPPED, RECORDS
from ecgpipe.config.data import CHALLENGE, LabelsConfig
from ecgpipe.logs import job_log

with job_log(snakemake):
    records, config = RECORDS.read(snakemake.input.records), LabelsConfig(**snakemake.params.labels)
    given, codes = snakemake.params.classes, None
    if snakemake.params.code_table is not None:
        table = read_code_table(snakemake.params.code_table, f"{snakemake.params.key}.code_table")
        records, codes = classes_of_codes(records, table)
        given = given or code_classes(records, table)
    if given is None:
        name, key = config.grouping, "labels"
        group_of, classes = read_grouping(snakemake.params.source, name)
        if snakemake.params.plus and name == CHALLENGE:
            records = mark_acute(records, snakemake.params.plus, group_of)
    else:
        name, key = "its own", snakemake.params.key
        group_of, classes = label_classes(records, given, key)
    labels, counts = make_labels(records, group_of, classes, config, key)
    if given is not None:
        check_splittable(counts, key)
    labels.write(snakemake.output.labels)
    summary, rows = {"policy": config.policy, "grouping": name, **counts.as_dict()}, counts.as_table()
    if codes is not None:
        summary["codes"] = codes.as_dict()
        rows = pd.concat([rows, codes.as_table()])
    write_json(snakemake.output.counts, summary)
    with atomic_path(snakemake.output.table) as partial:
        rows.to_csv(partial, index=False)
    DROPPED.write(counts.dropped_records, snakemake.output.dropped)
