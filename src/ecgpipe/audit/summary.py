"""Everything that an audit says of a data set."""

import json
from collections import Counter
from typing import NamedTuple

import pandas as pd

from ecgpipe.audit.anomalies import unusual
from ecgpipe.audit.duplicates import Sketches, find_duplicates, kind_of


class Audit(NamedTuple):
    """Tables (artifacts.duplicates, artifacts.audit) and a summary for JSON."""

    duplicates: pd.DataFrame
    pairs: pd.DataFrame
    anomalies: pd.DataFrame
    summary: dict


def audit(records: pd.DataFrame, sketches: Sketches) -> Audit:
    """Join the sketches of all shards.

    Args:
        records: rows of records.parquet with record_id, patient_id and statements.
        sketches: one for every record.
    """
    duplicates, pairs = find_duplicates(sketches)
    text = sketches.text
    odd = text[text["anomalies"] != "[]"]
    own = ((row.record_id, kind, detail) for row in odd.itertuples() for kind, detail in json.loads(row.anomalies))
    anomalies = pd.DataFrame([*own, *unusual(text)], columns=["record_id", "kind", "detail"])
    anomalies = anomalies.sort_values(["record_id", "kind", "detail"], ignore_index=True)
    said = records.set_index("record_id")["statements"].map(lambda text: " + ".join(sorted(json.loads(text))))
    duplicates = duplicates.assign(said=said.reindex(duplicates["record_id"]).to_numpy())
    patients = records["patient_id"].dropna()
    forms: dict[str, Counter] = {}
    for form, count in text["form"].value_counts().items():
        for key, value in json.loads(form).items():
            forms.setdefault(key, Counter())[value] += int(count)
    classes = Counter(code for text in records["statements"] for code in json.loads(text))
    distinct = duplicates[duplicates["record_id"] == duplicates["identical"]]
    summary = {
        "kind": kind_of(sketches),
        "records": len(records),
        "unreadable": int((text["digest"] == "").sum()),
        "distinct": len(distinct),
        "distinct_groups": int(duplicates["near"].nunique()),
        "near_pairs": len(pairs),
        "classes": dict(sorted(classes.items(), key=lambda item: (-item[1], item[0]))),
        "distinct_by_class": dict(
            sorted(Counter(code for text in distinct["said"] for code in str(text).split(" + ")).items())
        ),
        "conflicts": _conflicts(duplicates),
        "patients": int(patients.nunique()) if len(patients) else None,
        "patients_with_several": int((patients.value_counts() > 1).sum()) if len(patients) else None,
        "anomalies": {kind: int(group["record_id"].nunique()) for kind, group in anomalies.groupby("kind")},
        "forms": {
            key: dict(sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:20])
            for key, counter in sorted(forms.items())
        },
    }
    return Audit(duplicates.drop(columns="said"), pairs, anomalies, summary)


def _conflicts(duplicates: pd.DataFrame) -> list[dict]:
    """Groups of copies of which the source says different things."""
    found = []
    for group in duplicates[duplicates.duplicated("near", keep=False)].groupby("near", sort=True):
        if group[1]["said"].nunique() > 1:
            found.append({"records": group[1]["record_id"].tolist(), "statements": sorted(set(group[1]["said"]))})
    return found


def leak_shares(split: pd.DataFrame, duplicates: pd.DataFrame, records: pd.DataFrame) -> dict:
    """How many validation and test records have a copy, or their patient, in training.

    Args:
        split: rows of the split format.
        duplicates: rows of the duplicates format.
        records: rows of records.parquet.

    Returns:
        {role: {records, identical, near, patient}}: counts; ``near`` includes the identical; ``patient`` is None where
        no patient is named.
    """
    joined = split.merge(duplicates, on="record_id", how="left").merge(
        records[["record_id", "patient_id"]], on="record_id"
    )
    train = joined[joined["role"] == "train"]
    shares = {}
    for role in ("validation", "test"):
        rows = joined[joined["role"] == role]
        if rows.empty:
            continue
        shares[role] = {"records": len(rows)} | {
            name: int(rows[column].isin(train[column].dropna()).sum())
            for name, column in (("identical", "identical"), ("near", "near"))
        }
        named = joined["patient_id"].notna().any()
        patients = set(train["patient_id"].dropna())
        shares[role]["patient"] = int(rows["patient_id"].isin(patients).sum()) if named else None
    return shares
