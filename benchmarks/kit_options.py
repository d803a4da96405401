"""ECG-Image-Kit's options, on pages that the kit itself draws.

    python -m benchmarks.kit_options PTBXL_DIR KIT PYTHON [--records 200] [--rate 100 500] [--dpi 100]
        [--ways WAY ...] [--default-pages DIR]

KIT is the kit's checkout, PYTHON the interpreter of its environment. Draws evenly spaced records in each way of
``WAYS``; the options of a way apply together. ``as set`` counts the pages whose facts, leads and picture agree with the
options. ``on ink`` is the share of a page's plotted points with ink within a pixel, ``moved`` the same for the points
moved by a quarter of a large square: the chance level. With ``--default-pages`` the kit's files of the default pages
are kept there, at 200 dpi, for ``benchmarks.fidelity``.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ecgpipe.artifacts.signals import read_signal
from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import EcgpipeError
from ecgpipe.progress import progress
from ecgpipe.render.kit import KitPages

DPI = 200  # of the default pages
GRIDS = ((0.4274, 0.196, 0.1843), (1, 0.796, 0.866), (0, 0, 0.4), (0, 0.3, 0), (1, 0, 0))
"""Colours of the thick grid lines, options 1 to 5."""
COLUMNS = ((1, "aVR"), (2, "III"), (3, "V1"), (6, "V6"))
WRINKLES = {"wrinkles": True, "crease_angle": 45, "num_creases_vertically": 6, "num_creases_horizontally": 4}
EXACT = {"deterministic_angle": True, "deterministic_vertical": True, "deterministic_horizontal": True}
AUGMENT = {"augment": True, "rotate": 10, "noise": 20, "random_grid_color": True}
CREASES = {
    "crease_angle": "crease_angle",
    "number_of_creases_vertically": "num_creases_vertically",
    "number_of_creases_horizontally": "num_creases_horizontally",
}
WAYS: dict[str, list[dict[str, Any]]] = {
    "columns, strip, header, QR code": [
        {
            "pulse": False,
            "kit_options": {"num_columns": n, "full_mode": lead, "print_header": True, "add_qr_code": True},
        }
        for n, lead in COLUMNS
    ],
    "wrinkles, grid colours": [
        {"kit_options": WRINKLES | {"standard_grid_color": n} | (EXACT if n > 2 else {})} for n in (1, 2, 3, 4)
    ],
    "augment, random grid colours": [{"kit_options": AUGMENT | {"deterministic_noise": on}} for on in (False, True)],
    "random black and white, header, resolution": [
        {"kit_options": {"random_bw": 0.5, "random_print_header": 0.5, "random_resolution": True, "seed": 7}}
    ],
    "default": [{}],
}
"""Name -> settings; records take them in turn."""


def agrees(config: RenderConfig, facts: dict, image: np.ndarray, name: str) -> bool:
    """Whether a page agrees with its options: in the kit's facts, its boxes and its picture.

    Args:
        facts: the kit's JSON file.
        image: (height, width, 3) RGB.
        name: name of the record's files, which the QR code contains.
    """
    options, leads = config.kit_options, facts["leads"]
    starts = {round(lead["lead_bounding_box"]["0"][1] / facts["width"] * 12) for lead in leads[:-1]}
    said = facts["augment"] == options.augment and facts["wrinkles"] == options.wrinkles and len(leads) == 13
    said &= options.augment or len(starts) == options.num_columns
    said &= leads[-1].get("lead_name") == options.full_mode and image.shape[:2] == (facts["height"], facts["width"])
    said &= 50 <= facts["resolution"] <= config.dpi if options.random_resolution else facts["resolution"] == config.dpi
    if not options.random_print_header:
        said &= facts["printed_text"] == options.print_header
    if options.wrinkles:
        for fact, option in CREASES.items():
            most = getattr(options, option)
            said &= facts[fact] == most if options.deterministic_angle else 0 <= facts[fact] <= most
    if options.augment:
        level = (np.array(leads[-1]["lead_bounding_box"][corner]) for corner in "10")
        down, right = np.subtract(*level)
        said &= abs(np.rad2deg(np.arctan2(down, right))) <= options.rotate + 0.5
        said &= facts["noise"] == options.noise if options.deterministic_noise else 1 <= facts["noise"] <= options.noise
    if not options.random_bw and not options.random_grid_color:
        said &= np.allclose(
            facts["grid_line_color_major"], 255 * np.array(GRIDS[options.standard_grid_color - 1]), atol=1
        )
    if facts["bw"]:
        said &= bool(np.ptp(image.astype(int), axis=2).max() <= 2)
    if options.add_qr_code:
        side = min(image.shape[:2]) // 2
        text = cv2.QRCodeDetector().detectAndDecode(np.ascontiguousarray(image[:side, -side:]))[0]
        said &= name in text
    return bool(said)


def on_ink(facts: dict, image: np.ndarray, down: float = 0) -> float:
    """Share of the plotted points, moved down by some pixels, that have ink within a pixel."""
    light = image.max(axis=2)
    darkest = cv2.erode(light, np.ones((3, 3), np.uint8))
    points = np.add(np.concatenate([np.array(lead["plotted_pixels"]) for lead in facts["leads"]]), [down, 0])
    rows, columns = np.floor(points).astype(int).T
    inside = (rows >= 0) & (columns >= 0) & (rows < light.shape[0]) & (columns < light.shape[1])
    return float((darkest[rows[inside], columns[inside]] < 0.6 * np.median(light)).mean())


def draw(kit: KitPages, record: Path) -> tuple[dict, np.ndarray, Path]:
    """The kit's facts of a record's page, its picture, and the JSON file."""
    kit.page(record.stem, record.stem, *read_signal(record, record.stem))
    file = kit.folder / "work" / "page" / f"{record.stem}-0.json"
    return json.loads(file.read_text()), cv2.imread(str(file.with_suffix(".png")), cv2.IMREAD_COLOR_RGB), file


def check(way: str, records: list[Path], rate: int, kit: dict[str, str], dpi: int, keep: Path | None) -> dict:
    """Draw the records in one way, and count."""
    failed, odd, found, moved, drawn = [], [], [], [], []
    settings = WAYS[way]
    for number, keys in enumerate(settings):
        config = RenderConfig(renderer="ecg-image-kit", dpi=DPI if way == "default" else dpi, **kit, **keys)
        mine = records[number :: len(settings)]
        with tempfile.TemporaryDirectory() as folder:
            pages = KitPages(config, Path(folder))
            try:
                for record in progress(mine, f"{way}, {rate} Hz", len(mine)):
                    try:
                        facts, image, file = draw(pages, record)
                    except EcgpipeError as error:
                        failed.append(str(error))
                        continue
                    if not agrees(config, facts, image, record.stem):
                        odd.append(record.stem)
                    found.append(on_ink(facts, image))
                    moved.append(on_ink(facts, image, 1.25 / 25.4 * facts["resolution"]))
                    drawn.append(facts)
                    if keep is not None and way == "default":
                        for each in (file, file.with_suffix(".png")):
                            shutil.copy(each, keep)
            finally:
                pages.close()
    shares = {key: float(np.mean([facts[key] for facts in drawn])) for key in ("bw", "printed_text")}
    return {
        "way": way, "rate": rate, "records": len(records), "pages": len(drawn), "as_set": len(drawn) - len(odd),
        "on_ink": (float(np.median(found)), min(found)), "moved": float(np.median(moved)), "shares": shares,
        "resolutions": len({facts["resolution"] for facts in drawn}), "failed": failed, "not_as_set": odd,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="ECG-Image-Kit's options, on pages that the kit itself draws")
    parser.add_argument("ptbxl", type=Path)
    parser.add_argument("kit")
    parser.add_argument("python")
    parser.add_argument("--records", type=int, default=200)
    parser.add_argument("--rate", type=int, nargs="+", default=[100, 500], choices=[100, 500])
    parser.add_argument("--dpi", type=int, default=100, help="resolution of all pages but the default ones")
    parser.add_argument("--default-pages", type=Path)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS, metavar="WAY")
    args = parser.parse_args()
    if args.default_pages is not None:
        args.default_pages.mkdir(parents=True, exist_ok=True)
    kit = {"kit_path": args.kit, "kit_python": args.python}
    for way in args.ways:
        for rate in args.rate:
            every = sorted((args.ptbxl / f"records{rate}").glob("*/*.hea"))
            chosen = [every[round(n)].with_suffix("") for n in np.linspace(0, len(every) - 1, args.records)]
            print(json.dumps(check(way, chosen, rate, kit, args.dpi, args.default_pages)), flush=True)


if __name__ == "__main__":
    main()
