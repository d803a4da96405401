"""The result of an audit: duplicates, anomalies, label conflicts and leaks."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from ecgpipe.audit.anomalies import unusual_properties
from ecgpipe.audit.duplicates import Sketches, find_duplicates, kind_of


class Audit(NamedTuple):
    """Tables (``artifacts.tables``) and a summary for JSON."""

    duplicates: pd.DataFrame
    pairs: pd.DataFrame
    anomalies: pd.DataFrame
    summary: dict


def audit(records: pd.DataFrame, sketches: Sketches) -> Audit:
    """Audit a dataset.

    Args:
        records: columns record_id, patient_id and statements of records.parquet.
        sketches: one per record.
    """
    duplicates, pairs = find_duplicates(sketches)
    text = sketches.text
    anomalies = _anomalies(text)
    statements = records.set_index("record_id")["statements"]
    labels = statements.map(lambda value: " + ".join(sorted(json.loads(value))))
    labelled = duplicates.assign(label=labels.reindex(duplicates["record_id"]).to_numpy())
    distinct = set(labelled.loc[labelled["record_id"] == labelled["identical"], "record_id"])
    patients = records["patient_id"].dropna()
    classes = Counter(code for value in records["statements"] for code in json.loads(value))
    distinct_texts = statements[statements.index.isin(distinct)]
    distinct_classes = Counter(code for text in distinct_texts for code in json.loads(text))
    properties: dict[str, Counter] = {}
    for value, count in text["properties"].value_counts().items():
        for key, entry in json.loads(value).items():
            properties.setdefault(key, Counter())[entry] += int(count)
    summary = {
        "kind": kind_of(sketches),
        "records": len(records),
        "unreadable": int((text["digest"] == "").sum()),
        "distinct": len(distinct),
        "distinct_groups": int(duplicates["near"].nunique()),
        "near_pairs": len(pairs),
        "classes": _most_frequent(classes),
        "distinct_by_class": dict(sorted(distinct_classes.items())),
        "conflicts": _conflicts(labelled),
        "patients": int(patients.nunique()) if len(patients) else None,
        "patients_with_several": int((patients.value_counts() > 1).sum()) if len(patients) else None,
        "anomalies": {kind: int(group["record_id"].nunique()) for kind, group in anomalies.groupby("kind")},
        "properties": {key: _most_frequent(counts, 20) for key, counts in sorted(properties.items())},
    }
    return Audit(duplicates, pairs, anomalies, summary)


def _anomalies(text: pd.DataFrame) -> pd.DataFrame:
    """Rows of the anomalies format: of the records themselves, and unusual properties."""
    anomalous = text[text["anomalies"] != "[]"]
    own = (
        (row.record_id, kind, detail) for row in anomalous.itertuples() for kind, detail in json.loads(row.anomalies)
    )
    table = pd.DataFrame([*own, *unusual_properties(text)], columns=["record_id", "kind", "detail"])
    return table.sort_values(["record_id", "kind", "detail"], ignore_index=True)


def _most_frequent(counts: Mapping[str, int], most: int | None = None) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most])


def _conflicts(labelled: pd.DataFrame) -> list[dict]:
    """Groups of duplicates with different labels."""
    conflicts = []
    for _, group in labelled[labelled.duplicated("near", keep=False)].groupby("near", sort=True):
        if group["label"].nunique() > 1:
            conflicts.append({"records": group["record_id"].tolist(), "statements": sorted(set(group["label"]))})
    return conflicts


def count_leaks(split: pd.DataFrame, duplicates: pd.DataFrame, records: pd.DataFrame) -> dict:
    """Count the validation and test records that have a duplicate, or their patient, in training.

    Args:
        split: rows of the split format.
        duplicates: rows of the duplicates format.
        records: rows of records.parquet.

    Returns:
        {role: {records, identical, near, patient}}; ``near`` includes identical records; ``patient`` is None if no
        patient is known.
    """
    patients = records[["record_id", "patient_id"]]
    joined = split.merge(duplicates, on="record_id", how="left").merge(patients, on="record_id")
    known = joined["patient_id"].notna().any()
    train = {
        column: set(joined.loc[joined["role"] == "train", column].dropna())
        for column in ("identical", "near", "patient_id")
    }
    counts = {}
    for role in ("validation", "test"):
        rows = joined[joined["role"] == role]
        if rows.empty:
            continue
        found = {column: int(rows[column].isin(values).sum()) for column, values in train.items()}
        counts[role] = {
            "records": len(rows),
            "identical": found["identical"],
            "near": found["near"],
            "patient": found["patient_id"] if known else None,
        }
    return counts
