"""Pictures of the report as data URIs, and the data of its record explorer."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from ecgpipe.artifacts.files import verify
from ecgpipe.artifacts.images import open_images, unpack
from ecgpipe.artifacts.page_transform import read_transforms
from ecgpipe.artifacts.pages import PageSource
from ecgpipe.artifacts.pictures import read_image
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.saliency import HEAT_COLOUR, Saliency
from ecgpipe.artifacts.tables import IMAGE_INDEX, Labels
from ecgpipe.errors import DataError
from ecgpipe.report.collect import Run

PAGE_WIDTH, SHEET_WIDTH = 1100, 1800
EXPLORER_PAGE_WIDTH, IMAGE_SIDE, HEAT_SIDE = 900, 320, 40
"""Pixels, in the explorer: of pages, model images and saliency maps."""


class Picture(NamedTuple):
    """An image in the page, with its size in pixels so that nothing moves when it appears."""

    src: str
    """Data URI."""
    width: int
    height: int


def data_uri(image: bytes, kind: str) -> str:
    """An encoded image as a data URI."""
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def webp(image: np.ndarray, width: int, quality: int = 80) -> Picture:
    """An image, scaled down to a width, as WebP."""
    if image.shape[1] > width:
        height = round(image.shape[0] * width / image.shape[1])
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()
    return Picture(data_uri(encoded, "webp"), image.shape[1], image.shape[0])


def _bilevel_png(image: np.ndarray) -> Picture:
    encoded = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_BILEVEL, 1])[1].tobytes()
    return Picture(data_uri(encoded, "png"), image.shape[1], image.shape[0])


def thumbnail(content: bytes, width: int) -> Picture | None:
    """An encoded image at a width in pixels; None if it cannot be read."""
    try:
        return webp(_decoded(content), width)
    except DataError:
        return None


def _decoded(content: bytes, name: str = "page") -> np.ndarray:
    """The picture as preprocessing reads it, uint8 (H, W, 3) BGR; ``name`` is for messages."""
    return cv2.cvtColor(read_image(content, name), cv2.COLOR_RGB2BGR)


def overlay_sheet(path: Path | str) -> Picture:
    """A sheet of saliency overlays, scaled down.

    Raises:
        DataError: the file is damaged.
    """
    verify(path)
    return webp(_decoded(Path(path).read_bytes(), str(path)), SHEET_WIDTH)


def stored_images(
    images: Sequence[Path], indices: Sequence[Path], wanted: set[str]
) -> Iterator[tuple[str, np.ndarray]]:
    """Record id and ink, uint8 (side, side) of 0 and 1, of the wanted records in a dataset's shards."""
    for shard, index in zip(images, indices, strict=True):
        ids, packed = IMAGE_INDEX.read(index)["record_id"], open_images(shard)
        for row in np.flatnonzero(ids.isin(wanted)):
            yield ids.iloc[row], unpack(np.asarray(packed[row]))


def example_records(
    labels: Labels, pages: PageSource, images: Sequence[Path], indices: Sequence[Path], per_class: int
) -> list[dict]:
    """The first records of each class that have an image.

    Args:
        labels: labels of the dataset.
        pages: pages of the dataset.
        images, indices: files of its shards, in the same order.
        per_class: number of records per class.

    Returns:
        record_id, label, page, image (Pictures), ink (uint8 array) each.
    """
    known = {record_id for index in indices for record_id in IMAGE_INDEX.read(index)["record_id"]}
    chosen = [
        (record_id, name)
        for number, name in enumerate(labels.classes)
        for record_id in sorted(set(labels.record_ids[labels.targets[:, number] > 0]) & known)[:per_class]
    ]
    ids = {record_id for record_id, _ in chosen}
    stored, inks = pages.find(sorted(ids)), dict(stored_images(images, indices, ids))
    return [
        {
            "record_id": record_id,
            "label": name,
            "page": thumbnail(stored[record_id].image, PAGE_WIDTH),
            "image": _bilevel_png((1 - inks[record_id]) * 255),
            "ink": inks[record_id],
        }
        for record_id, name in chosen
    ]


def translated_images(examples: Sequence[dict], limit: float) -> list[dict]:
    """Model images before and after the largest translation, down and to the left (figure 7).

    Args:
        examples: from ``example_records``.
        limit: largest translation as a share of the side; 0: no translation, no pictures.
    """
    shown = []
    for example in examples if limit else ():
        ink = example["ink"]
        shift = np.array([[1, 0, -round(limit * ink.shape[1])], [0, 1, round(limit * ink.shape[0])]], np.float32)
        moved = _bilevel_png((1 - cv2.warpAffine(ink, shift, ink.shape[::-1])) * 255)
        for text, image in (("original", example["image"]), (f"moved by {limit:.0%} of its side", moved)):
            shown.append({"record_id": example["record_id"], "text": text, "image": image})
    return shown


def explorer_data(runs: Sequence[Run], threshold: float) -> dict:
    """The explorer's table as plain values for JSON.

    Args:
        runs: the runs shown.
        threshold: lowest probability that predicts a class of a multi-label run.

    Returns:
        ``views``: per dataset and protocol ``dataset``, ``protocol``, ``role``, ``classes``, ``task``, ``threshold``,
        ``ids``, ``truth`` (class indices of each record) and ``models``: ``name`` and ``p``, (records x classes)
        probabilities in thousandths as one list, rounded so that they predict the same classes as the exact ones; null
        for a record without a prediction.
    """
    views: dict[tuple[str, str], dict] = {}
    for run in runs:
        predictions = Predictions.read(run.folder / "predictions.parquet")
        role, predictions = predictions.reported_role, predictions.reported()
        view = views.setdefault(
            (run.dataset, run.protocol),
            {
                "dataset": run.dataset,
                "protocol": run.protocol,
                "role": role,
                "classes": list(predictions.classes),
                "task": predictions.task,
                "threshold": threshold,
                "ids": predictions.record_ids.tolist(),
                "truth": [np.flatnonzero(row).tolist() for row in predictions.targets],
                "models": [],
            },
        )
        rows = {record_id: row for row, record_id in enumerate(view["ids"])}
        thousandths = np.full((len(rows), len(predictions.classes)), -1, int)
        known = [number for number, record_id in enumerate(predictions.record_ids) if record_id in rows]
        thousandths[[rows[predictions.record_ids[number]] for number in known]] = _thousandths(
            predictions.probabilities[known], predictions.task, threshold
        )
        view["models"].append({"name": run.variant, "p": [None if p < 0 else p for p in thousandths.ravel().tolist()]})
    return {"views": list(views.values())}


def _thousandths(probabilities: np.ndarray, task: str, threshold: float) -> np.ndarray:
    rounded = np.rint(1000 * probabilities).astype(int)
    if task == "single":
        top = probabilities.argmax(axis=1)
        rounded[np.arange(len(top)), top] += rounded.argmax(axis=1) != top
    else:
        called = probabilities >= threshold
        rounded += called & (rounded < 1000 * threshold)
        rounded -= ~called & (rounded >= 1000 * threshold)
    return rounded


def choose_pictured(data: dict, runs: Sequence[Run], maps: Mapping[Path, Path], limit: int) -> dict[str, list[str]]:
    """Choose the records with pictures: explained ones, then those that most models get wrong, views taking turns.

    Args:
        data: from ``explorer_data``.
        runs: the same runs.
        maps: folder of a run -> its saliency maps.
        limit: total number of records.

    Returns:
        Dataset -> record ids, each once.
    """
    queues = []
    for view in data["views"]:
        own = [run for run in runs if (run.dataset, run.protocol) == (view["dataset"], view["protocol"])]
        explained = [record_id for run in own if run.folder in maps for record_id in _explained(maps[run.folder])]
        wrong = wrong_answers(view)
        order = sorted(range(len(wrong)), key=lambda i: (-wrong[i], view["ids"][i]))
        queues.append((view["dataset"], iter(dict.fromkeys([*explained, *(view["ids"][i] for i in order)]))))
    chosen: dict[str, list[str]] = {}
    taken: set[tuple[str, str]] = set()
    while queues and len(taken) < limit:
        dataset, queue = queues.pop(0)
        for record_id in queue:
            if (dataset, record_id) not in taken:
                taken.add((dataset, record_id))
                chosen.setdefault(dataset, []).append(record_id)
                queues.append((dataset, queue))
                break
    return chosen


def _explained(file: Path) -> list[str]:
    maps = Saliency.read(file)
    return [*maps.record_ids[maps.drawn], *maps.record_ids[~maps.drawn]]


def wrong_answers(view: dict) -> list[int]:
    """Number of models with a wrong prediction, per record: the top class, or any class across the threshold."""
    shape = len(view["ids"]), len(view["classes"])
    truth = np.zeros(shape, bool)
    for row, labels in zip(truth, view["truth"], strict=True):
        row[labels] = True
    wrong = np.zeros(shape[0], int)
    for model in view["models"]:
        p = np.array([np.nan if value is None else value for value in model["p"]], float).reshape(shape)
        answered = ~np.isnan(p).any(axis=1)
        if view["task"] == "single":
            right = truth[np.arange(len(p)), np.nan_to_num(p).argmax(axis=1)]
        else:
            right = ((p >= 1000 * view["threshold"]) == truth).all(axis=1)
        wrong += answered & ~right
    return wrong.tolist()


def record_pictures(
    chosen: Sequence[str], pages: PageSource, images: Sequence[Path], indices: Sequence[Path]
) -> dict[str, dict]:
    """Record -> ``page`` and ``image`` (Pictures), if they exist."""
    found: dict[str, dict] = {record_id: {} for record_id in chosen}
    for record_id, stored in pages.find(chosen).items():
        found[record_id]["page"] = webp(_decoded(stored.image), EXPLORER_PAGE_WIDTH, 60)
    for record_id, ink in stored_images(images, indices, set(chosen)):
        side = min(IMAGE_SIDE, ink.shape[0])
        found[record_id]["image"] = webp(
            255 - cv2.resize(255 * ink, (side, side), interpolation=cv2.INTER_AREA), side, 70
        )
    return found


def heat_maps(
    runs: Sequence[Run], maps: Mapping[Path, Path], chosen: dict[str, list[str]], indices: dict[str, Sequence[Path]]
) -> list[dict]:
    """Saliency of the pictured records: dataset, protocol, model, record, label and ``heat`` (PNG data URI).

    Args:
        runs: the runs shown.
        maps: folder of a run -> its saliency maps.
        chosen: dataset -> record ids.
        indices: dataset -> its image indices; maps of rectified pages are warped back onto the page.
    """
    transforms = {name: read_transforms(indices[name], ids) for name, ids in chosen.items()}
    maps_shown = []
    for run in runs:
        if run.folder not in maps:
            continue
        saliency, shown = Saliency.read(maps[run.folder]), set(chosen.get(run.dataset, []))
        for record_id, label, heat in zip(saliency.record_ids, saliency.labels, saliency.maps[0], strict=True):
            if record_id in shown:
                if transform := transforms[run.dataset].get(record_id):
                    heat = transform.onto_page(heat, *heat.shape[::-1])
                maps_shown.append(
                    {"dataset": run.dataset, "protocol": run.protocol, "model": run.variant}
                    | {"record": str(record_id), "label": int(label), "heat": heat_png(heat)}
                )
    return maps_shown


def heat_png(saliency: np.ndarray) -> str:
    """(s, s) map in [0, 1] -> a small PNG of one hue whose opacity is the saliency; the page is multiplied with it."""
    side = min(HEAT_SIDE, saliency.shape[0])
    small = cv2.resize(saliency.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    level = np.clip(255 * small / max(float(small.max()), 1e-9), 0, 255).astype(np.uint8)
    layers = np.dstack([np.full((side, side), channel, np.uint8) for channel in HEAT_COLOUR[::-1]] + [level])
    return data_uri(cv2.imencode(".png", layers)[1].tobytes(), "png")


def script_json(data: dict) -> str:
    """JSON that is safe inside a script element."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
