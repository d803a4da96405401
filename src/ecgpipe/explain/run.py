"""Saliency maps of a run for chosen records, and a sheet of overlays (``explain``)."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from ecgpipe.artifacts import ROLES
from ecgpipe.artifacts.files import atomic_path
from ecgpipe.artifacts.page_transform import read_transforms
from ecgpipe.artifacts.pages import PageSource
from ecgpipe.artifacts.pictures import read_image
from ecgpipe.artifacts.runs import RunIndex
from ecgpipe.artifacts.saliency import Saliency
from ecgpipe.config.analysis import ExplainConfig
from ecgpipe.errors import DataError
from ecgpipe.explain.overlay import contact_sheet, overlay
from ecgpipe.explain.regions import Margins, positions_of, read_inputs
from ecgpipe.explain.saliency import batches, reduce_maps, saliency_maps
from ecgpipe.models.factory import load_trained

SEED = 0
"""Seeds the choice of records."""


def explain_run(
    folder: Path | str,
    reference: Path | str,
    pages: PageSource,
    margins: Margins,
    indices: Sequence[Path | str],
    config: ExplainConfig,
    maps_file: Path | str,
    overlays_file: Path | str,
    *,
    threads: int | None = None,
) -> None:
    """Write saliency.npz and saliency.png of a run.

    Args:
        folder: of the trained run.
        reference: folder of the prepared run with the first seed; all seeds and models explain its scored records.
        pages: the dataset's pages.
        margins: cropped shares of the pages.
        indices: the dataset's image indices, which state how pages were rectified.
        config: records and methods.
        maps_file: output, the maps (artifacts.saliency).
        overlays_file: output, PNG: ``config.method`` over ``records_per_class`` pages.
        threads: CPU threads.

    Raises:
        DataError: a chosen record has no page.
    """
    folder = Path(folder)
    if threads:
        torch.set_num_threads(threads)
    model, run = load_trained(folder)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    index, chosen_from = RunIndex.read(folder), RunIndex.read(reference)
    reported = "test" if (chosen_from.roles == ROLES.index("test")).any() else "validation"
    candidates = chosen_from.indices(reported)
    per_class = max(config.records_per_class, config.measured_per_class)
    chosen = choose_records(chosen_from.record_ids[candidates], chosen_from.targets[candidates], per_class, SEED)
    record_ids = chosen_from.record_ids[candidates[[position for position, _ in chosen]]]
    labels = np.array([label for _, label in chosen])
    rank_in_class = np.array([int((labels[:position] == label).sum()) for position, label in enumerate(labels)])
    pictured = rank_in_class < config.records_per_class
    positions = positions_of(index, record_ids)
    images = read_inputs(folder, run, index, positions)
    with torch.inference_mode():
        logits = torch.cat([model(batch).float().cpu() for batch in batches(images, model)])
    probabilities = torch.sigmoid(logits) if run.task == "multilabel" else torch.softmax(logits, dim=1)
    maps = {
        method: saliency_maps(
            model, images, labels, method, config.level, f"{method} {run.dataset}/{run.variant}/seed-{run.seed}"
        )
        for method in config.methods
    }
    stored = pages.find(record_ids[pictured])
    missing = [record_id for record_id in record_ids[pictured] if record_id not in stored]
    if missing:
        raise DataError(f"record {missing[0]} has an image but no page; run the rendering again")
    transforms = read_transforms(indices, record_ids[pictured])
    pictures, captions = [], []
    for position in np.flatnonzero(pictured):
        record_id, label = record_ids[position], labels[position]
        page = read_image(stored[record_id].image, f"the page of record {record_id}")
        pictures.append(overlay(page, maps[config.method][position], margins, transforms.get(record_id)))
        captions.append(f"{record_id}: {run.classes[label]}, p = {probabilities[position, label]:.2f} ({run.variant})")
    Saliency(
        record_ids=record_ids,
        labels=labels,
        roles=index.roles[positions],
        drawn=pictured,
        probabilities=probabilities.numpy(),
        methods=config.methods,
        maps=np.stack([reduce_maps(maps[method]) for method in config.methods]),
    ).write(maps_file)
    sheet = cv2.cvtColor(contact_sheet(pictures, captions), cv2.COLOR_RGB2BGR)
    with atomic_path(overlays_file) as partial:
        partial.write_bytes(cv2.imencode(".png", sheet)[1].tobytes())  # cv2.imwrite does not report a full disk


def choose_records(record_ids: np.ndarray, targets: np.ndarray, per_class: int, seed: int) -> list[tuple[int, int]]:
    """Choose records of each class, independent of any model, so that models can be compared.

    Args:
        record_ids: (n,) candidates.
        targets: (n, classes) 0/1.
        per_class: records per class, fewer if the class has fewer.
        seed: for the choice.

    Returns:
        (position, class) pairs, class by class; records with only that class come first.
    """
    order = [hashlib.sha256(f"{seed}:{record_id}".encode()).hexdigest() for record_id in record_ids]
    chosen = []
    for label in range(targets.shape[1]):
        members = sorted(np.flatnonzero(targets[:, label]), key=lambda i: (targets[i].sum(), order[i]))
        chosen += [(int(position), label) for position in members[:per_class]]
    return chosen
