"""Saliency of a trained run: maps of chosen records, and a sheet of overlays."""

from pathlib import Path

import cv2
import numpy as np
import torch

from ecgpipe.artifacts.atomic import atomic_path
from ecgpipe.artifacts.images import open_images
from ecgpipe.artifacts.pages import PageSource
from ecgpipe.artifacts.roles import ROLES
from ecgpipe.artifacts.runs import Items
from ecgpipe.config.explain import ExplainConfig
from ecgpipe.errors import DataError
from ecgpipe.explain.choose import choose_records
from ecgpipe.explain.overlay import contact_sheet, overlay
from ecgpipe.explain.saliency import saliency_maps
from ecgpipe.models.inputs import to_input
from ecgpipe.models.stored import load_trained


def explain_run(
    folder: Path | str,
    pages: PageSource,
    margins: tuple[float, float, float, float],
    config: ExplainConfig,
    maps_file: Path | str,
    overlays_file: Path | str,
    *,
    threads: int | None = None,
) -> None:
    """Write saliency.npz and saliency.png of a run.

    Args:
        folder: of the trained run.
        pages: the data set's pages.
        margins: shares of a page that preprocessing cut off: top, right, bottom, left.
        config: which records and method.
        maps_file: receives record_ids (n,), labels (n,) class numbers, probabilities (n, classes) and maps (n, h, w)
            float16.
        overlays_file: receives the sheet, PNG.
        threads: CPU threads.

    Raises:
        DataError: a chosen record has no page.
    """
    folder = Path(folder)
    if threads:
        torch.set_num_threads(threads)
    model, run = load_trained(folder)
    items = Items.read(folder)
    candidates = items.indices("test") if (items.roles == ROLES.index("test")).any() else items.indices("validation")
    chosen = choose_records(
        items.record_ids[candidates], items.targets[candidates], config.records_per_class, config.seed
    )
    positions = candidates[[position for position, _ in chosen]]
    labels = [label for _, label in chosen]
    files = [open_images(folder / name) for name in run.images]
    packed = np.stack([files[items.files[position]][items.rows[position]] for position in positions])
    images = to_input(packed, run.model.image_size, run.model.in_chans)
    with torch.inference_mode():
        logits = torch.cat([model(image[None]) for image in images]).float()
    probabilities = torch.sigmoid(logits) if run.task == "multilabel" else torch.softmax(logits, dim=1)
    maps = saliency_maps(model, images, labels, config.method, config.level, f"explain {run.dataset}/{run.variant}")

    record_ids = items.record_ids[positions]
    stored = pages.find(record_ids)
    missing = [record_id for record_id in record_ids if record_id not in stored]
    if missing:
        raise DataError(f"record {missing[0]} has an image but no page; run the rendering again")
    pictures, captions = [], []
    for record_id, label, saliency, row in zip(record_ids, labels, maps, probabilities, strict=True):
        page = cv2.imdecode(np.frombuffer(stored[record_id].image, np.uint8), cv2.IMREAD_COLOR_RGB)
        pictures.append(overlay(page, saliency, margins))
        captions.append(f"{record_id}: {run.classes[label]}, p = {row[label]:.2f} ({run.variant})")

    with atomic_path(maps_file) as partial, open(partial, "wb") as file:
        np.savez_compressed(
            file,
            record_ids=record_ids,
            labels=np.array(labels),
            probabilities=probabilities.numpy(),
            maps=maps.astype(np.float16),
        )
    sheet = cv2.cvtColor(contact_sheet(pictures, captions), cv2.COLOR_RGB2BGR)
    with atomic_path(overlays_file) as partial:
        cv2.imwrite(str(partial), sheet)
