"""Measure the saliency maps of a run, with bootstrap intervals over patients (``measure_saliency``)."""

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
from ecgpipe.artifacts.tables import read_grouped
from ecgpipe.bootstrap import bootstrap_interval, group_counts, resampling_groups
from ecgpipe.config.analysis import ExplainConfig
from ecgpipe.explain.measures import (
    area_under_curve,
    cascade_randomisation,
    class_probability,
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

TRAINED, RANDOMISED = "trained", "randomised"
COMMON_STRIDE = 32
"""Maps are also compared after averaging over areas of this many input pixels, the stride of the coarsest model."""
CASCADE_STEPS = 4
"""States of the cascading randomisation, from the classifier to the whole network."""
SEED = 0
"""Seeds random maps and random weights."""


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
    duplicates: Path | str | None = None,
    threads: int | None = None,
) -> None:
    """Write saliency.parquet, one row per record and measure, and saliency.json, the means with intervals.

    Args:
        folder: of the trained run.
        saliency_file: the run's maps.
        others: maps of the same records by the run's other seeds; may be empty.
        pages: the dataset's pages, for their boxes.
        findings: the dataset's findings tables; empty if findings are unknown.
        records_file: records.parquet, for the patients.
        margins: cropped shares of the pages.
        indices: the dataset's image indices, which state how pages were rectified.
        config: methods, pyramid level and steps.
        resampling: ``resamples``, ``confidence`` and ``seed`` of the bootstrap.
        table_file, summary_file: output files.
        duplicates: the audit's table of duplicates, if the records were listed without checksums.
        threads: CPU threads.
    """
    folder = Path(folder)
    if threads:
        torch.set_num_threads(threads)
    model, run = load_trained(folder)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    index, explained = RunIndex.read(folder), Saliency.read(saliency_file)
    images = read_inputs(folder, run, index, positions_of(index, explained.record_ids))
    side = explained.maps.shape[-1]
    cells = max(1, round(run.model.image_size / COMMON_STRIDE))
    truth = _read_findings(findings, explained.record_ids)
    regions = _regions(run, explained, images, pages, truth, margins, indices)
    cascade = _cascade_maps(model, run, images, explained, config)
    maps = {(TRAINED, method): explained.maps[number] for number, method in enumerate(explained.methods)}
    maps |= {(RANDOMISED, method): cascade[method][-1][1] for method in explained.methods}
    common = {key: np.stack([to_common_resolution(one, cells) for one in own]) for key, own in maps.items()}
    reference = common[TRAINED, config.method]

    rows: list[dict] = []

    def add(record: int, head: tuple[str, str, str], measured: Iterable[tuple[str, float, float]]) -> None:
        shared = dict(zip(("method", "maps", "resolution"), head, strict=True))
        shared |= {"record_id": explained.record_ids[record], "class": run.classes[explained.labels[record]]}
        rows.extend(shared | {"measure": name, "value": value, "chance": chance} for name, value, chance in measured)

    for (source, method), own in maps.items():
        for record, region in enumerate(regions):
            add(record, (method, source, "raw"), measure_location(own[record], region))
            add(record, (method, source, "common"), measure_location(common[source, method][record], region))
    for step, step_maps in cascade[config.method]:
        for record, saliency in enumerate(step_maps):
            rank = rank_correlation(to_common_resolution(saliency, cells), reference[record])
            add(record, (config.method, step, "common"), [("cascade_rank", rank, np.nan)])
    other_seeds = [Saliency.read(file) for file in others]
    for other in other_seeds:
        for record, value, chance in _seed_agreement(explained, reference, other, cells):
            add(record, (config.method, TRAINED, "common"), [("seed_rank", value, chance)])
    if config.curve_steps:
        for record, source, method, measured in _curves(model, run, images, explained, maps, cells, config.curve_steps):
            add(record, (method, source, "raw"), measured)

    table = pd.DataFrame(rows, columns=MEASURES.schema.names)
    MEASURES.write(table, table_file)
    ids = np.array(list(dict.fromkeys(explained.record_ids)))
    groups = dict(zip(ids, resampling_groups(ids, read_grouped(records_file, duplicates, ids)), strict=True))
    empty = {
        source: {method: int((maps[source, method].max(axis=(1, 2)) == 0).sum()) for method in explained.methods}
        for source in (TRAINED, RANDOMISED)
    }
    summary = {
        "dataset": run.dataset,
        "protocol": run.protocol,
        "variant": run.variant,
        "seed": run.seed,
        "records": len(explained.record_ids),
        "groups": len(set(groups.values())),
        "classes": {name: int((explained.labels == number).sum()) for number, name in enumerate(run.classes)},
        "with_truth": None if truth is None else sum(region.finding is not None for region in regions),
        "with_boxes": sum(bool(region.leads) for region in regions),
        "empty_maps": empty[TRAINED],
        "empty_randomised": empty[RANDOMISED],
        "methods": list(explained.methods),
        "image_size": run.model.image_size,
        "map_side": side,
        "cells": cells,
        "cascade": [step for step, _ in cascade[config.method]],
        "trained_on": [int((other.roles == ROLES.index("train")).sum()) for other in other_seeds],
        "confidence": resampling["confidence"],
        "resamples": resampling["resamples"],
    }
    write_json(summary_file, summary | summarise(table, groups, resampling))


def _regions(
    run: RunConfig,
    saliency: Saliency,
    images: torch.Tensor,
    pages: PageSource,
    truth: pd.DataFrame | None,
    margins: Margins,
    indices: Sequence[Path | str],
) -> list[Regions]:
    stored, transforms = pages.find(saliency.record_ids), read_transforms(indices, saliency.record_ids)
    return [
        find_regions(
            image,
            stored.get(record_id, StoredPage(record_id, b"", "")),
            None if truth is None else truth[truth["record_id"] == record_id],
            run.classes[label],
            margins,
            saliency.maps.shape[-1],
            transforms.get(record_id),
        )
        for record_id, label, image in zip(saliency.record_ids, saliency.labels, images, strict=True)
    ]


def measure_location(saliency: np.ndarray, regions: Regions) -> Iterator[tuple[str, float, float]]:
    """Name, value and chance level of each measure of one map; measures without a mask are skipped."""
    yield "trace", share_within(saliency, regions.trace), float(regions.trace.mean())
    for name, mask in regions.leads.items():
        yield f"lead:{name}", share_within(saliency, mask), float(mask.mean())
    if regions.finding is None:
        return
    if regions.finding_leads.any():
        yield "finding_leads", share_within(saliency, regions.finding_leads), float(regions.finding_leads.mean())
    size = float(regions.finding.mean())
    yield "finding", share_within(saliency, regions.finding), size
    on_trace = np.where(regions.trace, saliency, 0)
    both = regions.trace & regions.finding
    yield "finding_of_trace", share_within(on_trace, both), float(both.sum() / regions.trace.sum())
    yield "pointing", pointing(saliency, regions.finding), size
    yield "iou", iou(saliency, regions.finding), expected_iou(size)


def _cascade_maps(
    model: torch.nn.Module, run: RunConfig, images: torch.Tensor, saliency: Saliency, config: ExplainConfig
) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Method -> (last stage randomised, maps) per state; only the last state for the methods of ``compare``."""
    maps: dict[str, list[tuple[str, np.ndarray]]] = {method: [] for method in saliency.methods}
    for stage, randomised, complete in cascade_randomisation(model, run, SEED, CASCADE_STEPS):
        for method in saliency.methods:
            if method == config.method or complete:
                title = f"{method}, randomised down to {stage}"
                own = saliency_maps(randomised, images, saliency.labels, method, config.level, title)
                maps[method].append((stage, reduce_maps(own)))
    return maps


def _seed_agreement(
    saliency: Saliency, reference: np.ndarray, other: Saliency, cells: int
) -> Iterator[tuple[int, float, float]]:
    """Record, rank correlation with another seed's map of this record and, as chance level, of another record.

    Args:
        reference: (n, s, s) maps of ``saliency`` at the common resolution.
    """
    # a record may be explained for several of its classes
    keys = list(zip(saliency.record_ids, saliency.labels, strict=True))
    other_keys = zip(other.record_ids, other.labels, strict=True)
    other_maps = {key: to_common_resolution(one, cells) for key, one in zip(other_keys, other.maps[0], strict=True)}
    for record, key in enumerate(keys):
        if key not in other_maps:
            continue
        same_class = [one for one in keys if one[1] == key[1] and one in other_maps]
        following = same_class[(same_class.index(key) + 1) % len(same_class)]
        chance = rank_correlation(reference[record], other_maps[following]) if following != key else np.nan
        yield record, rank_correlation(reference[record], other_maps[key]), chance


def _curves(
    model: torch.nn.Module,
    run: RunConfig,
    images: torch.Tensor,
    saliency: Saliency,
    maps: Mapping[tuple[str, str], np.ndarray],
    cells: int,
    steps: int,
) -> Iterator[tuple[int, str, str, list[tuple[str, float, float]]]]:
    """Record, maps, method and its areas under the insertion and deletion curves with their chance level.

    The chance level is the insertion of a random map, also for deletion, since the rest of a random region is random.
    """
    paper = torch.zeros_like(images[:1])
    labels = set(saliency.labels.tolist())
    blank = {label: float(class_probability(model, paper, label, run.task)[0]) for label in labels}
    for record in progress(range(len(images)), f"insertion and deletion {run.dataset}/{run.variant}"):
        image, label = images[record], int(saliency.labels[record])
        ends = blank[label], float(saliency.probabilities[record, label])
        noise = random_map(saliency.maps.shape[-1], cells, SEED + record)
        random, _ = insertion_deletion_curves(model, image, label, noise, steps, run.task, *ends, deletion=False)
        chance = area_under_curve(random)
        for (source, method), own in maps.items():
            both = insertion_deletion_curves(model, image, label, own[record], steps, run.task, *ends)
            areas = map(area_under_curve, both)
            measured = [(name, area, chance) for name, area in zip(("insertion", "deletion"), areas, strict=True)]
            yield record, source, method, measured


def _read_findings(files: Sequence[Path | str], record_ids: np.ndarray) -> pd.DataFrame | None:
    if not files:
        return None
    wanted = set(record_ids)
    tables = [table[table["record_id"].isin(wanted)] for table in map(FINDINGS.read, files)]
    return pd.concat(tables, ignore_index=True)


def group_means(values: np.ndarray, groups: Sequence[str], resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Column means and their cluster bootstrap distribution.

    Args:
        values: (n, k); NaN if not measured.
        groups: (n,) names of the groups (patients) that are resampled as a whole.
        resamples: number of resamples.
        seed: for the resampling.

    Returns:
        (k,) means over the measured records, and (resamples, k) the same for each resample; NaN without a record.
    """
    known = ~np.isnan(values)
    names, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    sums = np.zeros((len(names), values.shape[1]))
    counts = np.zeros_like(sums)
    np.add.at(sums, member, np.where(known, values, 0.0))
    np.add.at(counts, member, known)

    def ratio(total: np.ndarray, number: np.ndarray) -> np.ndarray:
        return np.divide(total, number, out=np.full(np.shape(total), np.nan), where=number > 0)

    drawn = group_counts(len(names), resamples, seed)
    samples = np.concatenate([ratio(weights.T @ sums, weights.T @ counts) for weights in drawn])
    return ratio(sums.sum(axis=0), counts.sum(axis=0)), samples


KEYS = ["method", "maps", "resolution", "measure"]
ALL = "all"


def summarise(table: pd.DataFrame, groups: Mapping[str, str], resampling: dict) -> dict[str, list[dict]]:
    """Means of all measures, and differences between the trained and the randomised network.

    Args:
        table: measures (artifacts.saliency.MEASURES).
        groups: record -> bootstrap group.
        resampling: ``resamples``, ``confidence``, ``seed``.

    Returns:
        ``rows``: method, maps, resolution, measure, class (``all`` for every record), records, value, low, high,
        note, chance (mean) and ``above_chance`` {value, low, high, note}. ``differences``: method, resolution, measure,
        value, low, high, note: trained minus randomised on the same records. All use the same resamples.
    """
    record_ids = list(groups)
    table = table.assign(chance=table["chance"].where(table["value"].notna()))  # of the same maps as the value
    # a record with several classes, or several other seeds, counts once, with its mean
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
    group_of = [groups[record_id] for record_id in record_ids]
    confidence = resampling["confidence"]
    means, samples = group_means(values, group_of, resampling["resamples"], resampling["seed"])
    rows = []
    for number, name in enumerate(names):
        own, chance, above = range(3 * number, 3 * number + 3)
        rows.append(
            dict(zip([*KEYS, "class"], name, strict=True))
            | {"records": int((~np.isnan(values[:, own])).sum())}
            | bootstrap_interval(means[own], samples[:, own], confidence)
            | {"chance": None if np.isnan(means[chance]) else float(means[chance])}
            | {"above_chance": bootstrap_interval(means[above], samples[:, above], confidence)}
        )
    return {"rows": rows, "differences": _differences(names, values, group_of, resampling)}


def _differences(names: list[tuple], values: np.ndarray, groups: list[str], resampling: dict) -> list[dict]:
    """Trained minus randomised, on the records that have both."""
    numbers = {name: number for number, name in enumerate(names)}
    pairs = [
        (name, numbers[name[0], TRAINED, *name[2:]])
        for name in names
        if name[1] == RANDOMISED and name[4] == ALL and (name[0], TRAINED, *name[2:]) in numbers
    ]
    if not pairs:
        return []
    differences = np.stack([values[:, 3 * own] - values[:, 3 * numbers[name]] for name, own in pairs], axis=1)
    means, samples = group_means(differences, groups, resampling["resamples"], resampling["seed"])
    return [
        {"method": name[0], "resolution": name[2], "measure": name[3]}
        | bootstrap_interval(means[number], samples[:, number], resampling["confidence"])
        for number, (name, _) in enumerate(pairs)
    ]
