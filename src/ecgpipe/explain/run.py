"""Which records are explained: the same ones for every model, so that pictures can be compared.

Saliency of a trained run: maps of chosen records, and a sheet of overlays.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from ecgpipe.artifacts import ROLES
from ecgpipe.artifacts.files import atomic_path
from ecgpipe.artifacts.page_transform import PageTransform, read_transforms
from ecgpipe.artifacts.pages import PageSource, StoredPage
from ecgpipe.artifacts.runs import RunConfig, RunIndex
from ecgpipe.artifacts.saliency import Saliency
from ecgpipe.config.analysis import ExplainConfig
from ecgpipe.errors import DataError
from ecgpipe.explain.overlay import contact_sheet, overlay
from ecgpipe.explain.regions import Margins, positions_of, read_inputs
from ecgpipe.explain.saliency import reduce_maps, saliency_maps
from ecgpipe.models.factory import load_trained


def choose_records(record_ids: np.ndarray, targets: np.ndarray, per_class: int, seed: int) -> list[tuple[int, int]]:
    """Some records of each class.

    The choice depends on ids, targets and seed, never on a model.

    Args:
        record_ids: (n,) candidates.
        targets: (n, classes) 0/1.
        per_class: how many of each class, if there are so many.
        seed: of the choice.

    Returns:
        (position, class) pairs, class by class; records of that class alone come first.
    """
    place = [hashlib.sha256(f"{seed}:{record_id}".encode()).hexdigest() for record_id in record_ids]
    chosen = []
    for label in range(targets.shape[1]):
        members = np.flatnonzero(targets[:, label])
        ordered = sorted(members, key=lambda i: (targets[i].sum(), place[i]))
        chosen += [(int(position), label) for position in ordered[:per_class]]
    return chosen


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
        reference: folder of the prepared run whose reported records are looked at, that of the first seed: so all
            seeds and models explain the same records.
        pages: the data set's pages.
        margins: what preprocessing cut off.
        indices: the data set's image indices, for how pages were turned.
        config: which records and methods.
        maps_file: receives the maps (artifacts.saliency).
        overlays_file: receives the sheet, PNG: the drawn method's maps over ``records_per_class`` pages.
        threads: CPU threads.

    Raises:
        DataError: a chosen record has no page.
    """
    folder = Path(folder)
    if threads:
        torch.set_num_threads(threads)
    model, run = load_trained(folder)
    items, chosen_from = RunIndex.read(folder), RunIndex.read(reference)
    reported = chosen_from.indices("test") if (chosen_from.roles == ROLES.index("test")).any() else None
    candidates = chosen_from.indices("validation") if reported is None else reported
    per_class = max(config.records_per_class, config.measured_per_class)
    chosen = choose_records(chosen_from.record_ids[candidates], chosen_from.targets[candidates], per_class, config.seed)
    record_ids = chosen_from.record_ids[candidates[[position for position, _ in chosen]]]
    labels = np.array([label for _, label in chosen])
    nth = np.array([int((labels[:place] == label).sum()) for place, label in enumerate(labels)])
    drawn = nth < config.records_per_class
    positions = positions_of(items, record_ids)
    images = read_inputs(folder, run, items, positions)
    with torch.inference_mode():
        logits = torch.cat([model(image[None]) for image in images]).float()
    probabilities = torch.sigmoid(logits) if run.task == "multilabel" else torch.softmax(logits, dim=1)
    maps = {
        method: saliency_maps(
            model, images, labels, method, config.level, f"{method} {run.dataset}/{run.variant}/seed-{run.seed}"
        )
        for method in config.methods
    }
    stored = pages.find(record_ids[drawn])
    missing = [record_id for record_id in record_ids[drawn] if record_id not in stored]
    if missing:
        raise DataError(f"record {missing[0]} has an image but no page; run the rendering again")
    turns = read_transforms(indices, record_ids[drawn])
    pictures = [
        _picture(stored[record_id], maps[config.method][place], margins, turns.get(record_id))
        for place, record_id in zip(np.flatnonzero(drawn), record_ids[drawn], strict=True)
    ]
    captions = [_caption(run, record_ids[i], labels[i], probabilities[i]) for i in np.flatnonzero(drawn)]
    Saliency(
        record_ids=record_ids,
        labels=labels,
        roles=items.roles[positions],
        drawn=drawn,
        probabilities=probabilities.numpy(),
        methods=config.methods,
        maps=np.stack([reduce_maps(maps[method]) for method in config.methods]),
    ).write(maps_file)
    sheet = cv2.cvtColor(contact_sheet(pictures, captions), cv2.COLOR_RGB2BGR)
    with atomic_path(overlays_file) as partial:
        partial.write_bytes(cv2.imencode(".png", sheet)[1].tobytes())  # imwrite keeps a full disk to itself


def _picture(page: StoredPage, saliency: np.ndarray, margins: Margins, turn: PageTransform | None) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(page.image, np.uint8), cv2.IMREAD_COLOR_RGB)
    return overlay(image, saliency, margins, turn)


def _caption(run: RunConfig, record_id: str, label: int, probabilities: torch.Tensor) -> str:
    return f"{record_id}: {run.classes[label]}, p = {probabilities[label]:.2f} ({run.variant})"
