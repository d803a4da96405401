"""How often a saved model marks an image as unusual: pages like its training pages, other pages, other pictures.

    python -m benchmarks.ood RUN_DIR --ptb-xl PTB_XL_COPY --cardiac-images COPY [--pages 40]

RUN_DIR is a trained run with its saved model. Pages are rendered from PTB-XL records (from the test records of a run on
PTB-XL); photographs are random crops of the two in scikit-learn; the other pictures are synthetic. Prints a table.
"""

import argparse
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from ecgpipe.artifacts.images import open_images, unpack
from ecgpipe.artifacts.runs import RunConfig, RunIndex
from ecgpipe.artifacts.signals import read_signal
from ecgpipe.config.pages import DegradeConfig, RenderConfig
from ecgpipe.predict import InputPage, Predictor
from ecgpipe.render.degrade import degrade_page
from ecgpipe.render.page import render_page

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "electrocardiogram", "evening", "sun"]


def png(picture: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def page(record: Path, layout: str, level: str = "none", seed: int = 0) -> bytes:
    signal, rate = read_signal(record, record.name)
    config = RenderConfig(layout=layout, degrade=DegradeConfig(level=level, seed=seed))
    return degrade_page(render_page(signal, rate, config), config.degrade, record.name).encode()


def changed(data: bytes, change: Callable[[np.ndarray], np.ndarray]) -> bytes:
    return png(np.ascontiguousarray(change(np.array(Image.open(io.BytesIO(data)).convert("RGB")))))


def blank(rng: np.random.Generator, grid: bool) -> bytes:
    """Paper with some noise, with or without a grid."""
    picture = np.full((1700, 2200, 3), rng.integers(225, 256, 3), np.int16)
    if grid:
        picture[:: int(rng.integers(36, 44))] = (235, 150, 150)
        picture[:, :: int(rng.integers(36, 44))] = (235, 150, 150)
    return png((picture + rng.normal(0, 2, picture.shape)).clip(0, 255).astype(np.uint8))


def text(rng: np.random.Generator) -> bytes:
    """A page of printed text."""
    picture = np.full((1700, 2200, 3), 250, np.uint8)
    for y in range(120, 1600, int(rng.integers(36, 60))):
        cv2.putText(picture, " ".join(rng.choice(WORDS, 16)), (100, y), cv2.FONT_HERSHEY_COMPLEX, 0.9, (20, 20, 20), 2)
    return png(picture)


def chart(rng: np.random.Generator) -> bytes:
    """A line chart of random walks."""
    picture = np.full((1200, 1600, 3), 255, np.uint8)
    cv2.rectangle(picture, (100, 60), (1540, 1100), (0, 0, 0), 3)
    for _ in range(int(rng.integers(1, 4))):
        y = 580 + np.cumsum(rng.normal(0, 12, 1440))
        points = np.stack([np.arange(100, 1540), y.clip(70, 1090)], axis=1).astype(np.int32)
        cv2.polylines(picture, [points], False, (10, 10, 10), 3, cv2.LINE_AA)
    return png(picture)


def photograph(rng: np.random.Generator) -> bytes:
    picture = load_sample_images().images[int(rng.integers(2))]
    height, width = picture.shape[:2]
    share = rng.uniform(0.4, 1)
    h, w = int(height * share), int(width * share)
    y, x = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    return png(cv2.resize(picture[y : y + h, x : x + w], (1600, 1200)))


def noise(rng: np.random.Generator) -> bytes:
    return png(rng.integers(0, 256, (900, 1200, 3), dtype=np.uint8))


def sets(records: list[Path], cardiac: Path | None, pages: int, layout: str) -> Iterator[tuple[str, list[bytes]]]:
    """Sets of files by name."""
    chosen = records[:pages]
    rendered = {name: [page(record, name) for record in chosen] for name in ("kit", "cardiac-images", "6x2", "12x1")}
    for name, files in rendered.items():
        yield f"drawn, layout `{name}`", files
    own = rendered[layout]
    for level in ("scan", "photo", "harsh"):
        yield f"layout `{layout}`, degraded: {level}", [page(r, layout, level, seed=5) for r in chosen]
    yield f"layout `{layout}`, upside down", [changed(data, lambda p: p[::-1, ::-1]) for data in own]
    yield f"layout `{layout}`, on its side", [changed(data, lambda p: p.transpose(1, 0, 2)[::-1]) for data in own]
    yield f"layout `{layout}`, mirrored", [changed(data, lambda p: p[:, ::-1]) for data in own]
    yield f"layout `{layout}`, upper half only", [changed(data, lambda p: p[: len(p) // 2]) for data in own]
    if cardiac is not None:
        files = sorted(cardiac.rglob("*.jpg"))
        some = np.random.default_rng(3).choice(len(files), pages, replace=False)
        yield "real report pages (cardiac-images)", [files[i].read_bytes() for i in some]
    rng = np.random.default_rng(4)
    yield "blank paper", [blank(rng, False) for _ in range(pages)]
    yield "grid without a trace", [blank(rng, True) for _ in range(pages)]
    yield "page of print", [text(rng) for _ in range(pages)]
    yield "line chart", [chart(rng) for _ in range(pages)]
    yield "photograph", [photograph(rng) for _ in range(pages)]
    yield "noise", [noise(rng) for _ in range(pages)]


def row(name: str, predictor: Predictor, pages_read: list[InputPage], rejected: int) -> str:
    found = [one.ood for one in predictor.predict(pages_read)]
    scores = np.array([one.score for one in found])
    total = len(pages_read) + rejected
    flagged = int((scores > 1).sum())
    parts = "/".join(str(sum(getattr(one, part) > 1 for one in found)) for part in ("features", "ink"))
    middle = f"{np.median(scores):.2f}" if len(scores) else ""
    low = f"{scores.min():.2f} to {scores.max():.2f}" if len(scores) else ""
    both = f"{(flagged + rejected) / total:.0%}"
    return f"| {name} | {total} | {rejected} | {flagged} | {both} | {parts} | {middle} | {low} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN_DIR")
    parser.add_argument("--ptb-xl", type=Path, required=True, help="a copy with records500/")
    parser.add_argument("--cardiac-images", type=Path)
    parser.add_argument("--pages", type=int, default=40, help="pages of each kind (default 40)")
    parser.add_argument("--layout", default="kit", help="layout of the degraded and rotated pages (default kit)")
    args = parser.parse_args()
    predictor, run, items = Predictor(args.run / "model"), RunConfig.read(args.run), RunIndex.read(args.run)
    print("| images | number | rejected | unusual | rejected or unusual | by features/ink | median score | range |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    files = [open_images(args.run / name) for name in run.images]
    for role in ("train", "validation", "test"):
        positions = items.indices(role)
        images = [unpack(np.array(files[items.files[i]][items.rows[i]])) for i in positions]
        empty = np.zeros((1, 1, 3), np.uint8)
        if images:
            print(row(f"its own, {role}", predictor, [InputPage("", "image", empty, image) for image in images], 0))
    records = sorted(path.with_suffix("") for path in (args.ptb_xl / "records500").rglob("*.hea"))
    if run.dataset == "ptb-xl":
        test = {int(name) for name in items.record_ids[items.indices("test")]}
        records = [record for record in records if int(record.name[:5]) in test]
    reader = predictor.reader()
    for name, contents in sets(records, args.cardiac_images, args.pages, args.layout):
        found = [one for data in contents for one in reader.read_content(data, "x")]
        pages_read = [one for one in found if isinstance(one, InputPage)]
        print(row(name, predictor, pages_read, len(found) - len(pages_read)), flush=True)


if __name__ == "__main__":
    main()
