"""Means over records with bootstrap intervals; patients are drawn as a whole.

Means of saliency measures with bootstrap intervals over patients.

Measures the saliency maps of a run: against the page, the truth, other seeds, and networks without training.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ecgpipe.artifacts import ROLES
from ecgpipe.artifacts.files import write_json
from ecgpipe.artifacts.page_transform import read_transforms
from ecgpipe.artifacts.pages import PageSource, StoredPage
from ecgpipe.artifacts.runs import RunConfig, RunIndex
from ecgpipe.artifacts.saliency import FINDINGS, MEASURES, Saliency
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.config.analysis import ExplainConfig
from ecgpipe.explain.measures import (
    area_under_curve,
    cascade_randomisation,
    expected_iou,
    insertion_deletion_curves,
    iou,
    pointing,
    random_map,
    rank_correlation,
    share_within,
    to_common_resolution,
)
from ecgpipe.explain.regions import Margins, Regions, find_regions, positions_of, read_inputs
from ecgpipe.explain.saliency import reduce_maps, saliency_maps
from ecgpipe.models.factory import load_trained
from ecgpipe.progress import progress


def group_means(values: np.ndarray, groups: Sequence[str], resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Means and their bootstrap distribution.

    Args:
        values: (n, k), NaN where something could not be measured.
        groups: (n,) names of what is drawn as a whole.
        resamples: how often.
        seed: of the draws.

    Returns:
        (k,) means over the records that have a value, (resamples, k) the same of each draw; NaN where there is none.
    """
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    names, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    sums = np.zeros((len(names), values.shape[1]))
    counts = np.zeros_like(sums)
    np.add.at(sums, member, filled)
    np.add.at(counts, member, known)
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)

    def ratio(total: np.ndarray, number: np.ndarray) -> np.ndarray:
        return np.divide(total, number, out=np.full(np.shape(total), np.nan), where=number > 0)

    return ratio(sums.sum(axis=0), counts.sum(axis=0)), ratio(drawn @ sums, drawn @ counts)


def percentile_interval(value: float, draws: np.ndarray, confidence: float) -> dict[str, float | None]:
    """A value with its percentile interval; none where all draws are the same, as of a single group."""
    if np.isnan(value):
        return {"value": None, "low": None, "high": None}
    draws = draws[~np.isnan(draws)]
    if not len(draws) or np.ptp(draws) < 1e-12:
        return {"value": float(value), "low": None, "high": None}
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return {"value": float(value), "low": float(low), "high": float(high)}


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
            | percentile_interval(means[own], draws[:, own], confidence)
            | {"chance": None if np.isnan(means[chance]) else float(means[chance])}
            | {"above": percentile_interval(means[above], draws[:, above], confidence)}
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
        | percentile_interval(means[number], draws[:, number], resampling["confidence"])
        for number, (name, _) in enumerate(pairs)
    ]


TRAINED, RANDOMISED = "trained", "randomised"


def measure_run(
    folder: Path | str,
    saliency_file: Path | str,
    others: Sequence[Path | str],
    pages: PageSource,
    findings: Sequence[Path | str],
    records_file: Path | str,
    margins: Margins,
    indices: Sequence[Path | str],
    config: ExplainConfig,
    resampling: dict,
    table_file: Path | str,
    summary_file: Path | str,
    *,
    threads: int | None = None,
) -> None:
    """Write saliency.parquet, a row per record and measure, and saliency.json, their means with intervals.

    Args:
        folder: of the trained run.
        saliency_file: its maps.
        others: maps of the same records by the run's other seeds; none if it has one seed.
        pages: the data set's pages, for their boxes.
        findings: the data set's findings files; none where the truth is not known.
        records_file: records.parquet, for the patients.
        margins: what preprocessing cut off.
        indices: the data set's image indices, for how pages were turned.
        config: methods, steps, strides.
        resampling: ``resamples``, ``confidence`` and ``seed`` of the bootstrap.
        table_file, summary_file: what to write.
        threads: CPU threads.
    """
    folder = Path(folder)
    if threads:
        torch.set_num_threads(threads)
    model, run = load_trained(folder)
    items, found = RunIndex.read(folder), Saliency.read(saliency_file)
    images = read_inputs(folder, run, items, positions_of(items, found.record_ids))
    side = found.maps.shape[-1]
    cells = max(1, round(run.model.image_size / config.common_stride))
    stored = pages.find(found.record_ids)
    truth = _read_findings(findings, found.record_ids)
    turns = read_transforms(indices, found.record_ids)
    places = [
        find_regions(
            image,
            stored.get(record_id, StoredPage(record_id, b"", "")),
            None if truth is None else truth[truth["record_id"] == record_id],
            run.classes[label],
            margins,
            side,
            turns.get(record_id),
        )
        for record_id, label, image in zip(found.record_ids, found.labels, images, strict=True)
    ]
    undone = _maps_of_cascade(model, run, images, found, config)
    maps = {(TRAINED, method): found.maps[number] for number, method in enumerate(found.methods)}
    maps |= {(RANDOMISED, method): undone[method][-1][1] for method in found.methods}

    rows: list[dict] = []

    def add(place: int, head: tuple[str, str, str], measured: Iterable[tuple[str, float, float]]) -> None:
        shared = dict(zip(("method", "maps", "resolution"), head, strict=True))
        shared |= {"record_id": found.record_ids[place], "class": run.classes[found.labels[place]]}
        rows.extend(shared | {"measure": name, "value": value, "chance": chance} for name, value, chance in measured)

    for (source, method), own in maps.items():
        for place, saliency in enumerate(own):
            add(place, (method, source, "raw"), measure_location(saliency, places[place]))
            add(
                place,
                (method, source, "common"),
                measure_location(to_common_resolution(saliency, cells), places[place]),
            )
    for step, undone_maps in undone[config.method]:
        for place, saliency in enumerate(undone_maps):
            rank = rank_correlation(
                to_common_resolution(saliency, cells), to_common_resolution(found.maps[0][place], cells)
            )
            add(place, (config.method, step, "common"), [("undone_rank", rank, np.nan)])
    others_read = [Saliency.read(file) for file in others]
    for other in others_read:
        for place, value, chance in _agreement(found, other, cells):
            add(place, (config.method, TRAINED, "common"), [("seed_rank", value, chance)])
    if config.curve_steps:
        title = f"insertion and deletion {run.dataset}/{run.variant}"
        for place in progress(range(len(images)), title, unit="records"):
            image, label = images[place], int(found.labels[place])
            chance = _areas(model, run, image, label, random_map(side, cells, config.seed + place), config)
            for (source, method), own in maps.items():
                value = _areas(model, run, image, label, own[place], config)
                add(place, (method, source, "raw"), zip(("insertion", "deletion"), value, chance, strict=True))

    table = pd.DataFrame(rows, columns=MEASURES.schema.names)
    MEASURES.write(table, table_file)
    groups = _groups(RECORDS.read(records_file, ["record_id", "patient_id", "content"]), found.record_ids)
    write_json(
        summary_file,
        {
            "dataset": run.dataset,
            "protocol": run.protocol,
            "variant": run.variant,
            "seed": run.seed,
            "records": len(found.record_ids),
            "groups": len(set(groups.values())),
            "classes": {name: int((found.labels == number).sum()) for number, name in enumerate(run.classes)},
            "with_truth": None if truth is None else sum(one.finding is not None for one in places),
            "with_boxes": sum(bool(one.leads) for one in places),
            "empty_maps": {
                method: int((maps[TRAINED, method].max(axis=(1, 2)) == 0).sum()) for method in found.methods
            },
            "empty_untrained": {
                method: int((maps[RANDOMISED, method].max(axis=(1, 2)) == 0).sum()) for method in found.methods
            },
            "methods": list(found.methods),
            "image_size": run.model.image_size,
            "map_side": side,
            "cells": cells,
            "cascade": [step for step, _ in undone[config.method]],
            "trained_on": [int((other.roles == ROLES.index("train")).sum()) for other in others_read],
            "confidence": resampling["confidence"],
            "resamples": resampling["resamples"],
            **summarise(table, groups, resampling),
        },
    )


def measure_location(saliency: np.ndarray, places: Regions) -> Iterator[tuple[str, float, float]]:
    """Measure, value and chance of where one map lies; none of what the record has no mask for."""
    yield "trace", share_within(saliency, places.trace), float(places.trace.mean())
    for name, mask in places.leads.items():
        yield f"lead:{name}", share_within(saliency, mask), float(mask.mean())
    if places.finding is None:
        return
    if places.finding_leads.any():
        yield "finding_leads", share_within(saliency, places.finding_leads), float(places.finding_leads.mean())
    size = float(places.finding.mean())
    yield "finding", share_within(saliency, places.finding), size
    on_trace = np.where(places.trace, saliency, 0)
    both = places.trace & places.finding
    yield "finding_of_trace", share_within(on_trace, both), float(both.sum() / places.trace.sum())
    yield "pointing", pointing(saliency, places.finding), size
    yield "iou", iou(saliency, places.finding), expected_iou(size)


def _maps_of_cascade(
    model: torch.nn.Module, run: RunConfig, images: torch.Tensor, found: Saliency, config: ExplainConfig
) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Method -> (last part undone, maps) of each state; of methods that are not drawn the last state alone."""
    maps: dict[str, list[tuple[str, np.ndarray]]] = {method: [] for method in found.methods}
    for name, undone, whole in cascade_randomisation(model, run, config.seed, config.cascade_steps):
        for method in found.methods:
            if method == config.method or whole:
                title = f"{method}, undone to {name}"
                own = saliency_maps(undone, images, found.labels, method, config.level, title)
                maps[method].append((name, reduce_maps(own)))
    return maps


def _agreement(found: Saliency, other: Saliency, cells: int) -> Iterator[tuple[int, float, float]]:
    """Position, rank correlation with another seed's map of the record, and with its map of the class's next record."""
    # a record may be explained for several of its classes
    keys = list(zip(found.record_ids, found.labels, strict=True))
    own_keys = zip(other.record_ids, other.labels, strict=True)
    theirs = {key: to_common_resolution(one, cells) for key, one in zip(own_keys, other.maps[0], strict=True)}
    for place, key in enumerate(keys):
        if key not in theirs:
            continue
        mine = to_common_resolution(found.maps[0][place], cells)
        same = [name for name in keys if name[1] == key[1] and name in theirs]
        next_one = same[(same.index(key) + 1) % len(same)]
        chance = rank_correlation(mine, theirs[next_one]) if next_one != key else np.nan
        yield place, rank_correlation(mine, theirs[key]), chance


def _areas(
    model: torch.nn.Module, run: RunConfig, image: torch.Tensor, label: int, saliency: np.ndarray, config: ExplainConfig
) -> tuple[float, float]:
    kept, gone = insertion_deletion_curves(model, image, label, saliency, config.curve_steps, run.task)
    return area_under_curve(kept), area_under_curve(gone)


def _groups(records: pd.DataFrame, record_ids: Sequence[str]) -> dict[str, str]:
    """What the bootstrap draws as a whole: a record's patient, where unknown its file's content, else the record."""
    own = records.set_index("record_id").reindex(record_ids)
    groups = {}
    for record_id, patient, content in zip(record_ids, own["patient_id"], own["content"], strict=True):
        known = [value for value in (patient, content) if isinstance(value, str) and value]
        groups[record_id] = known[0] if known else record_id
    return groups


def _read_findings(files: Sequence[Path | str], record_ids: np.ndarray) -> pd.DataFrame | None:
    if not files:
        return None
    wanted = set(record_ids)
    tables = [table[table["record_id"].isin(wanted)] for table in map(FINDINGS.read, files)]
    return pd.concat(tables, ignore_index=True)
