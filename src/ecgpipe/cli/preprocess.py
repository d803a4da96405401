"""ecgpipe preprocess"""

import argparse
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command
from ecgpipe.errors import DataError


def run(args: Arguments) -> None:
    """Make the model-ready image of one page."""
    import cv2

    from ecgpipe.artifacts.files import atomic_path
    from ecgpipe.config.pages import PreprocessConfig
    from ecgpipe.preprocess.apply import preprocess_file

    try:
        content = args.page.read_bytes()
    except OSError as error:
        raise DataError(f"{args.page}: cannot be read ({error.strerror})") from error
    image = preprocess_file(content, str(args.page), PreprocessConfig(variant=args.variant, size=args.size))
    if not cv2.haveImageWriter(str(args.output)):
        raise DataError(f"{args.output}: no format for pictures has this ending; use .png")
    with atomic_path(args.output) as partial:
        # imwrite keeps a full disk to itself
        encoded = cv2.imencode(args.output.suffix, (1 - image) * 255, [cv2.IMWRITE_PNG_BILEVEL, 1])[1]
        partial.write_bytes(encoded.tobytes())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The page, the image and how it is made."""
    parser.add_argument("page", type=Path, metavar="PAGE", help="a page: PNG, JPEG, TIFF, ...")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="IMAGE.png", help="the binary image")
    parser.add_argument("--variant", choices=("trace", "paper"), default="trace", help="default: trace")
    parser.add_argument("--size", type=int, default=640, help="pixels a side (default 640)")


PREPROCESS = Command(
    "preprocess",
    run,
    add_arguments,
    """preprocess page.png -o image.png
preprocess photo.jpg -o image.png --variant paper --size 224""",
)
