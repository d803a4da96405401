"""Means of saliency measures with bootstrap intervals over patients."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ecgpipe.explain.interval import group_means, interval

KEYS = ["method", "maps", "resolution", "measure"]
ALL = "all"


def summarise(table: pd.DataFrame, groups: Mapping[str, str], resampling: dict) -> dict[str, list[dict]]:
    """Rows of means, and of differences between trained and untrained networks.

    Args:
        table: a file of measures (artifacts.saliency.MEASURES).
        groups: record -> what the bootstrap draws as a whole.
        resampling: ``resamples``, ``confidence``, ``seed``.

    Returns:
        ``rows``: method, maps, resolution, measure, class (``all`` for every record), records, value, low, high, chance
        (its mean) and ``above`` {value, low, high}: value less chance. ``beats``: method, resolution, measure, value,
        low, high: the trained network's less the untrained one's on the same records. All with the same draws.
    """
    record_ids = list(groups)
    # a record that is there for two classes, or for two other seeds, counts once, with its mean
    by_class = table.groupby([*KEYS, "class", "record_id"], sort=False)[["value", "chance"]].mean()
    over_all = table.groupby([*KEYS, "record_id"], sort=False)[["value", "chance"]].mean()
    names: list[tuple] = []
    columns: list[np.ndarray] = []
    for frame, depth in ((over_all, 4), (by_class, 5)):
        for key, part in frame.groupby(level=list(range(depth)), sort=False):
            part = part.droplevel(list(range(depth))).reindex(record_ids)
            names.append(key if depth == 5 else (*key, ALL))
            columns += [part["value"], part["chance"], part["value"] - part["chance"]]
    values = np.stack(columns, axis=1).astype(float)
    sorted_groups = [groups[record_id] for record_id in record_ids]
    confidence = resampling["confidence"]
    means, draws = group_means(values, sorted_groups, resampling["resamples"], resampling["seed"])
    rows = []
    for place, name in enumerate(names):
        own, chance, above = range(3 * place, 3 * place + 3)
        rows.append(
            dict(zip([*KEYS, "class"], name, strict=True))
            | {"records": int((~np.isnan(values[:, own])).sum())}
            | interval(means[own], draws[:, own], confidence)
            | {"chance": None if np.isnan(means[chance]) else float(means[chance])}
            | {"above": interval(means[above], draws[:, above], confidence)}
        )
    return {"rows": rows, "beats": _differences(names, values, sorted_groups, resampling)}


def _differences(names: list[tuple], values: np.ndarray, groups: list[str], resampling: dict) -> list[dict]:
    """Trained less randomised, record by record, where both were measured."""
    place = {name: number for number, name in enumerate(names)}
    pairs = [
        (name, place[name[0], "trained", *name[2:]])
        for name in names
        if name[1] == "randomised" and name[4] == ALL and (name[0], "trained", *name[2:]) in place
    ]
    if not pairs:
        return []
    differences = np.stack([values[:, 3 * own] - values[:, 3 * place[name]] for name, own in pairs], axis=1)
    means, draws = group_means(differences, groups, resampling["resamples"], resampling["seed"])
    return [
        {"method": name[0], "resolution": name[2], "measure": name[3]}
        | interval(means[number], draws[:, number], resampling["confidence"])
        for number, (name, _) in enumerate(pairs)
    ]
