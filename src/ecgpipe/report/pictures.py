"""Example pages and the images that models see, as data addresses for HTML.

What the report's explorer shows: every reported record with every model's answer, and pictures of some of them.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ecgpipe.artifacts.images import open_images, unpack
from ecgpipe.artifacts.page_transform import read_transforms
from ecgpipe.artifacts.pages import PageSource
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.saliency import Saliency
from ecgpipe.artifacts.tables import IMAGE_INDEX, Labels

PAGE_WIDTH = 1100


def data_uri(image: bytes, kind: str) -> str:
    """Bytes of an image -> a data: address."""
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def embed_file(path: Path | str) -> str:
    """A PNG file, scaled down to what a page shows, as WebP."""
    return webp(cv2.imread(str(path), cv2.IMREAD_COLOR), 1800)


def thumbnail(content: bytes, width: int) -> str | None:
    """An encoded image at a width in pixels, as a data address; None if it cannot be read."""
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return None if image is None else webp(image, width)


def webp(image: np.ndarray, width: int, quality: int = 80) -> str:
    """An image, scaled down to a width, as WebP."""
    if image.shape[1] > width:
        height = round(image.shape[0] * width / image.shape[1])
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return data_uri(cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes(), "webp")


def example_records(
    labels: Labels, pages: PageSource, images: Sequence[Path], indices: Sequence[Path], per_class: int
) -> list[dict]:
    """The first records of each class, with their page and image.

    Args:
        labels: of the data set.
        pages: its pages.
        images, indices: its shards' files, in the same order.
        per_class: how many of each class.

    Returns:
        record_id, label, page, image (data addresses) each.
    """
    place = {
        record_id: (shard, row)
        for shard, index in enumerate(indices)
        for row, record_id in enumerate(IMAGE_INDEX.read(index)["record_id"])
    }
    chosen = []
    for number, name in enumerate(labels.classes):
        members = [
            r for r, target in zip(labels.record_ids, labels.targets, strict=True) if target[number] and r in place
        ]
        chosen += [(record_id, name) for record_id in sorted(members)[:per_class]]
    stored = pages.find([record_id for record_id, _ in chosen])
    examples = []
    for record_id, name in chosen:
        shard, row = place[record_id]
        ink = unpack(np.asarray(open_images(images[shard])[row]))
        page = cv2.imdecode(np.frombuffer(stored[record_id].image, np.uint8), cv2.IMREAD_COLOR)
        image = cv2.imencode(".png", (1 - ink) * 255, [cv2.IMWRITE_PNG_BILEVEL, 1])[1].tobytes()
        examples.append(
            {
                "record_id": record_id,
                "label": name,
                "page": webp(page, PAGE_WIDTH),
                "image": data_uri(image, "png"),
            }
        )
    return examples


def translated_images(examples: Sequence[dict], reach: float) -> list[dict]:
    """Model images as they are and moved by the whole of the training's reach, down and to the left (figure 7).

    Args:
        examples: of ``example_records``.
        reach: largest shift as a share of the side; 0: nothing is moved in training, and nothing is shown.
    """
    shown = []
    for example in examples if reach else ():
        ink = cv2.imdecode(
            np.frombuffer(base64.b64decode(example["image"].partition(",")[2]), np.uint8), cv2.IMREAD_GRAYSCALE
        )
        move = np.array([[1, 0, -round(reach * ink.shape[1])], [0, 1, round(reach * ink.shape[0])]], np.float32)
        moved = cv2.warpAffine(ink, move, ink.shape[::-1], borderValue=255)
        address = data_uri(cv2.imencode(".png", moved, [cv2.IMWRITE_PNG_BILEVEL, 1])[1].tobytes(), "png")
        shown += [
            {"record_id": example["record_id"], "what": "as it is", "image": example["image"]},
            {"record_id": example["record_id"], "what": f"moved by {reach:.0%} of its side", "image": address},
        ]
    return shown


EXPLORER_PAGE_WIDTH, IMAGE_SIDE, HEAT_SIDE = 900, 320, 40
"""Pixels: of pages, of model images and of saliency maps as the explorer holds them."""
HEAT_BGR = (0, 94, 213)


@dataclass(frozen=True)
class RunFiles:
    """Where a run shown in the explorer left its files.

    Attributes:
        folder: of the run.
        saliency: its maps, or None.
    """

    folder: Path
    saliency: Path | None = None

    @property
    def dataset(self) -> str:
        return self.folder.parts[-4]

    @property
    def protocol(self) -> str:
        return self.folder.parts[-3]

    @property
    def variant(self) -> str:
        return self.folder.parts[-2]

    @property
    def seed(self) -> int:
        return int(self.folder.parts[-1].removeprefix("seed-"))


def first_seeds(runs: Sequence[RunFiles]) -> list[RunFiles]:
    """Of each data set, protocol and model the run with the lowest seed."""
    lowest: dict[tuple[str, str, str], RunFiles] = {}
    for run in sorted(runs, key=lambda run: run.seed):
        lowest.setdefault((run.dataset, run.protocol, run.variant), run)
    return [run for run in runs if run in lowest.values()]


def explorer_data(runs: Sequence[RunFiles], threshold: float) -> dict:
    """The table behind the explorer, as plain values for JSON.

    Args:
        runs: the runs shown.
        threshold: probability from which a class of a multi-label run counts as called.

    Returns:
        ``views``: one per data set and protocol, with ``dataset``, ``protocol``, ``role``, ``classes``, ``task``,
        ``threshold``, ``ids``, ``truth`` (for each record the numbers of its classes) and ``models``: ``name`` and
        ``p``, (records x classes) probabilities in thousandths, one after another; null where the model has no answer.
    """
    views: dict[tuple[str, str], dict] = {}
    for run in runs:
        predictions = Predictions.read(run.folder / "predictions.parquet")
        role = "test" if (predictions.roles == "test").any() else "validation"
        predictions = predictions.of_role(role)
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
        place = {record_id: number for number, record_id in enumerate(view["ids"])}
        thousandths = np.full((len(place), len(predictions.classes)), -1, int)
        known = [number for number, record_id in enumerate(predictions.record_ids) if record_id in place]
        rows = [place[predictions.record_ids[number]] for number in known]
        thousandths[rows] = np.rint(1000 * predictions.probabilities[known])
        view["models"].append({"name": run.variant, "p": [None if p < 0 else p for p in thousandths.ravel().tolist()]})
    return {"views": list(views.values())}


def with_pictures(data: dict, runs: Sequence[RunFiles], limit: int) -> dict[str, list[str]]:
    """Which records get pictures: explained ones, then those that most models get wrong, in turn for each view.

    Args:
        data: of ``explorer_data``.
        runs: the same runs.
        limit: how many records in all.

    Returns:
        Data set -> record ids, each once.
    """
    queues = []
    for view in data["views"]:
        own = [run for run in runs if (run.dataset, run.protocol) == (view["dataset"], view["protocol"])]
        explained = [record_id for run in own if run.saliency for record_id in _explained(run)]
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


def wrong_answers(view: dict) -> list[int]:
    """For each record of a view, how many models are wrong: the highest class, or any class across the threshold."""
    classes = len(view["classes"])
    truth = np.zeros((len(view["ids"]), classes), bool)
    for row, labels in zip(truth, view["truth"], strict=True):
        row[labels] = True
    wrong = np.zeros(len(truth), int)
    for model in view["models"]:
        p = np.array([np.nan if value is None else value for value in model["p"]], float).reshape(truth.shape)
        answered = ~np.isnan(p).any(axis=1)
        if view["task"] == "single":
            right = truth[np.arange(len(p)), np.nan_to_num(p).argmax(axis=1)]
        else:
            right = ((p >= 1000 * view["threshold"]) == truth).all(axis=1)
        wrong += answered & ~right
    return wrong.tolist()


def _explained(run: RunFiles) -> list[str]:
    maps = Saliency.read(run.saliency)
    return [*maps.record_ids[maps.drawn], *maps.record_ids[~maps.drawn]]


def pictures(chosen: Sequence[str], pages: PageSource, images: Sequence[Path], indices: Sequence[Path]) -> dict:
    """Record -> ``page`` and ``image`` of a data set, WebP as data addresses, as far as they are there.

    Args:
        chosen: record ids.
        pages: of the data set.
        images, indices: its shards' files, in the same order.
    """
    found: dict[str, dict] = {record_id: {} for record_id in chosen}
    for record_id, stored in pages.find(chosen).items():
        page = cv2.imdecode(np.frombuffer(stored.image, np.uint8), cv2.IMREAD_COLOR)
        found[record_id]["page"] = webp(page, EXPLORER_PAGE_WIDTH, 60)
    for shard, index in zip(images, indices, strict=True):
        ids = IMAGE_INDEX.read(index)["record_id"]
        for row in np.flatnonzero(ids.isin(list(found))):
            ink = 255 * unpack(np.asarray(open_images(shard)[row]))
            side = min(IMAGE_SIDE, ink.shape[0])
            grey = 255 - cv2.resize(ink, (side, side), interpolation=cv2.INTER_AREA)
            found[ids.iloc[row]]["image"] = webp(grey, side, 70)
    return found


def heat_maps(runs: Sequence[RunFiles], chosen: dict[str, list[str]], indices: dict[str, Sequence[Path]]) -> list[dict]:
    """Saliency of the pictured records: data set, protocol, model, record, label and ``heat`` (a PNG).

    Args:
        runs: the runs shown.
        chosen: data set -> record ids.
        indices: data set -> its image indices: of pages that were turned upright the map is laid back over the page.
    """
    turns = {name: read_transforms(indices[name], ids) for name, ids in chosen.items()}
    found = []
    for run in runs:
        if not run.saliency:
            continue
        maps, wanted = Saliency.read(run.saliency), set(chosen.get(run.dataset, []))
        for record_id, label, heat in zip(maps.record_ids, maps.labels, maps.maps[0], strict=True):
            if record_id in wanted:
                if turn := turns[run.dataset].get(record_id):
                    heat = turn.onto_page(heat, *heat.shape[::-1])
                found.append(
                    {
                        "dataset": run.dataset,
                        "protocol": run.protocol,
                        "model": run.variant,
                        "record": str(record_id),
                        "label": int(label),
                        "heat": heat_png(heat),
                    }
                )
    return found


def heat_png(saliency: np.ndarray) -> str:
    """(s, s) in [0, 1] -> a small PNG of one colour, the denser the more, to be multiplied with the page."""
    side = min(HEAT_SIDE, saliency.shape[0])
    small = cv2.resize(saliency.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    level = np.clip(255 * small / max(float(small.max()), 1e-9), 0, 255).astype(np.uint8)
    # one hue, whatever the reader's colour vision
    layered = np.dstack([np.full((side, side), channel, np.uint8) for channel in HEAT_BGR] + [level])
    return data_uri(cv2.imencode(".png", layered)[1].tobytes(), "png")


def encode(data: dict) -> str:
    """JSON that may stand in a script element."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
