"""Example pages and the images that models see, as data addresses for HTML."""

import base64
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ecgpipe.artifacts.image_index import IMAGE_INDEX
from ecgpipe.artifacts.images import open_images, unpack
from ecgpipe.artifacts.labels import Labels
from ecgpipe.artifacts.pages import PageSource

PAGE_WIDTH = 1100


def data_address(image: bytes, kind: str) -> str:
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
    return data_address(cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes(), "webp")


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
                "image": data_address(image, "png"),
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
        address = data_address(cv2.imencode(".png", moved, [cv2.IMWRITE_PNG_BILEVEL, 1])[1].tobytes(), "png")
        shown += [
            {"record_id": example["record_id"], "what": "as it is", "image": example["image"]},
            {"record_id": example["record_id"], "what": f"moved by {reach:.0%} of its side", "image": address},
        ]
    return shown
