"""The split of a data set as a table, and its counts."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ecgpipe.artifacts import ROLES
from ecgpipe.artifacts.tables import Labels
from ecgpipe.config.data import SplitConfig, base_protocol
from ecgpipe.errors import DataError
from ecgpipe.split.protocols import assign_roles, deviation, leaks


def split_table(
    protocol: str,
    records: pd.DataFrame,
    labels: Labels,
    indices: Sequence[pd.DataFrame],
    config: SplitConfig,
    seed: int,
    duplicates: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, dict]:
    """Divide the records that have both a label and an image.

    Args:
        protocol: paper, patient, folds or unique, or a part of a cross-validation.
        records: rows of records.parquet.
        labels: targets.
        indices: the image indices of all shards.
        config: shares and folds.
        seed: of the random protocols.
        duplicates: copies, as the audit found them; ``unique`` needs them.

    Returns:
        Rows of the split format, and counts: records per role and class, the largest deviation of a class from its
        share (records), and leaks (records outside training whose patient, very file or near-identical copy trains).

    Raises:
        DataError: nothing is left, or the protocol does not fit the records.
    """
    drawn = {record_id for index in indices for record_id in index["record_id"]}
    rows = [i for i, record_id in enumerate(labels.record_ids) if record_id in drawn]
    if not rows:
        raise DataError("no record has both a label and an image; see the problems tables")
    record_ids, targets = labels.record_ids[rows], labels.targets[rows]
    chosen = records.set_index("record_id", drop=False).loc[record_ids].reset_index(drop=True)
    copies = None
    if duplicates is not None:
        copies = duplicates.set_index("record_id").reindex(record_ids)
        unseen = int(copies["near"].isna().sum())
        if unseen:
            raise DataError(
                f"the audit's table of copies lacks {unseen} of {len(record_ids)} records; run the audit again"
            )
        chosen["duplicate"] = copies[config.duplicates].to_numpy()
    elif base_protocol(protocol) == "unique":
        raise DataError("the protocol 'unique' needs the audit's table of copies")
    roles = assign_roles(protocol, chosen, targets, labels.classes, config, seed)
    counts = {
        "settings": config.of(protocol),
        "deviation": deviation(roles, targets, protocol, config),
        "records": {role: int((roles == role).sum()) for role in ROLES},
        "classes": {
            role: dict(zip(labels.classes, targets[roles == role].sum(axis=0).tolist(), strict=True)) for role in ROLES
        },
        "leaks": {
            # None: not known, since the data set names no patients, or its signals have no checksums and no audit
            "patient": leaks(roles, chosen["patient_id"]) if chosen["patient_id"].notna().any() else None,
            "identical file": _identical(roles, chosen["content"], copies),
            "near-identical": leaks(roles, copies["near"]) if copies is not None else None,
        },
    }
    return pd.DataFrame({"record_id": record_ids, "role": roles}), counts


def _identical(roles: np.ndarray, content: pd.Series, copies: pd.DataFrame | None) -> int | None:
    """Leaks of identical files: by the images' checksums, else by the audit's of the signals, if it was made."""
    if (content != "").any():
        return leaks(roles, content)
    return leaks(roles, copies["identical"]) if copies is not None else None
