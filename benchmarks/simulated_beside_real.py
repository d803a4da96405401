"""A figure: pages of real records (left) beside simulated ones with the same statement, one row per superclass.

    python -m benchmarks.simulated_beside_real PTBXL SIMULATED -o docs/figures/simulated-beside-real.png

Both folders have PTB-XL's layout. Records are chosen at random (``--seed``) among those whose only diagnostic statement
is the row's, with likelihood 100.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ecgpipe.acquire.labels import read_grouping
from ecgpipe.acquire.ptbxl import list_ptbxl_records
from ecgpipe.artifacts.signals import read_signal
from ecgpipe.config.pages import RenderConfig
from ecgpipe.render.page import render_page

CODES = ("NORM", "IMI", "ISC_", "CLBBB", "LVH")
# white, two colours of the grid, three of the trace
COLOURS = ((255, 255, 255), (253, 228, 226), (245, 190, 186), (20, 20, 20), (110, 90, 90), (180, 150, 150))


def choose(folder: Path, rate: int, code: str, count: int, seed: int) -> list[Path]:
    """Paths (without suffix) of records whose only diagnostic statement is ``code``."""
    records, _ = list_ptbxl_records(folder, rate, 1000)
    diagnostic = read_grouping(folder, "superclass")[0]
    paths = []
    for path, text in zip(records["path"], records["statements"], strict=True):
        statements = json.loads(text)
        if {name for name in statements if name in diagnostic} == {code} and statements[code] == 100:
            paths.append(folder / path)
    order = np.random.default_rng(seed).permutation(len(paths))
    return [paths[place] for place in order[:count]]


def page(record: Path, dpi: float) -> Image.Image:
    """The record's page, without the empty upper quarter."""
    signal, rate = read_signal(record, record.name)
    picture = Image.fromarray(render_page(signal, rate, RenderConfig(dpi=dpi)).image)
    return picture.crop((0, picture.height // 4, picture.width, picture.height))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path)
    parser.add_argument("simulated", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument(
        "--rate", type=int, nargs=2, default=(500, 500), help="Hz of the real and the simulated records"
    )
    parser.add_argument("--codes", nargs="+", default=CODES)
    parser.add_argument("--pairs", type=int, default=1, help="pairs per code")
    parser.add_argument("--dpi", type=float, default=100)
    parser.add_argument("--width", type=int, default=500, help="pixels of a page in the figure")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rows = []
    for code in arguments.codes:
        sides = [
            choose(folder, rate, code, arguments.pairs, arguments.seed)
            for folder, rate in zip((arguments.real, arguments.simulated), arguments.rate, strict=True)
        ]
        rows += [(code, *pair) for pair in zip(*sides, strict=False)]
    gap = 14
    sheet = None
    for row, (code, *pair) in enumerate(rows):
        for column, record in enumerate(pair):
            picture = page(record, arguments.dpi)
            height = round(arguments.width * picture.height / picture.width)
            if sheet is None:
                sheet = Image.new("RGB", (2 * arguments.width + gap, len(rows) * (height + gap)), "white")
            place = (column * (arguments.width + gap), row * (height + gap) + gap)
            sheet.paste(picture.resize((arguments.width, height), Image.Resampling.LANCZOS), place)
            name = ("PTB-XL" if column == 0 else "simulated") + f" {record.name[:-3]}, {code}"
            ImageDraw.Draw(sheet).text((place[0], place[1] - gap + 1), name, fill="black")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    palette = Image.new("P", (1, 1))
    palette.putpalette([channel for colour in COLOURS for channel in colour])
    sheet.quantize(palette=palette, dither=Image.Dither.NONE).save(arguments.output, optimize=True)


if __name__ == "__main__":
    main()
