"""ecgpipe render"""

import argparse
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command


def run(args: Arguments) -> None:
    """Draw the page of one WFDB record."""
    from ecgpipe.artifacts.files import atomic_path, write_json
    from ecgpipe.artifacts.signals import read_signal
    from ecgpipe.config.pages import DegradeConfig, RenderConfig
    from ecgpipe.render.degrade import degrade_page
    from ecgpipe.render.page import render_page

    record = args.record.with_suffix("") if args.record.suffix in {".hea", ".dat"} else args.record
    signal, rate = read_signal(record, record.name)
    config = RenderConfig(
        layout=args.layout, dpi=args.dpi, degrade=DegradeConfig(level=args.degrade, seed=args.degrade_seed)
    )
    page = degrade_page(render_page(signal, rate, config), config.degrade, record.name)
    with atomic_path(args.output) as partial:
        partial.write_bytes(page.encode())
    if args.boxes:
        write_json(args.boxes, page.boxes())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The record, the page and how it is drawn."""
    parser.add_argument("record", type=Path, metavar="RECORD", help="WFDB record")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PAGE.png", help="the page")
    parser.add_argument(
        "--layout", default="kit", help="kit (default), cardiac-images, 6x2, 12x1, or the path of a layout file"
    )
    parser.add_argument("--dpi", type=float, default=200, help="resolution (default 200)")
    levels = ("none", "scan", "photo", "harsh")
    parser.add_argument("--degrade", choices=levels, default="none", help="as scanned or photographed (default none)")
    parser.add_argument("--degrade-seed", type=int, default=0, metavar="SEED", help="of what happens to it (default 0)")
    parser.add_argument("--boxes", type=Path, metavar="BOXES.json", help="also write where each lead is")


RENDER = Command(
    "render",
    run,
    add_arguments,
    """render records100/00000/00001_lr -o page.png --boxes boxes.json
render records100/00000/00001_lr -o photo.png --layout cardiac-images --degrade photo""",
)
