"""Commands on single pages: render, preprocess."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from ecgpipe.cli.parser import Arguments, argument, command, say
from ecgpipe.errors import ConfigError, DataError

if TYPE_CHECKING:
    from ecgpipe.render.degrade import DegradedPage
    from ecgpipe.render.page import Page

PAGE_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
JPEG_QUALITY = 95  # of a page that is not degraded


@command(
    argument("record", type=Path, metavar="RECORD", help="WFDB record"),
    argument("-o", "--output", type=Path, required=True, metavar="PAGE.png", help="the page: .png or .jpg"),
    argument("--layout", default="kit", help="kit (default), cardiac-images, 6x2, 12x1, or the path of a layout file"),
    argument("--dpi", type=float, default=200, help="resolution (default 200)"),
    argument(
        "--degrade",
        choices=("none", "scan", "photo", "harsh"),
        default="none",
        help="degrade the page like a scan or a photo (default none)",
    ),
    argument("--degrade-seed", type=int, default=0, metavar="SEED", help="seed of the degradation (default 0)"),
    argument("--boxes", type=Path, metavar="BOXES.json", help="also write the position of each lead"),
    examples="""render records100/00000/00001_lr -o page.png --boxes boxes.json
    render records100/00000/00001_lr -o photo.png --layout cardiac-images --degrade photo""",
)
def render(args: Arguments) -> None:
    """Render the page of one WFDB record."""
    from ecgpipe.artifacts.files import atomic_path, write_json
    from ecgpipe.artifacts.signals import read_signal
    from ecgpipe.config.pages import DegradeConfig, RenderConfig
    from ecgpipe.render.degrade import degrade_page
    from ecgpipe.render.page import render_page

    kind = PAGE_FORMATS.get(args.output.suffix.lower())
    if kind is None:
        raise ConfigError(f"{args.output}: pages are written as .png or .jpg; choose one of these suffixes")
    record = args.record.with_suffix("") if args.record.suffix in {".hea", ".dat"} else args.record
    signal, rate = read_signal(record, record.name)
    degrade = DegradeConfig(level=args.degrade, seed=args.degrade_seed)
    config = RenderConfig(layout=args.layout, dpi=args.dpi, degrade=degrade)
    page = degrade_page(render_page(signal, rate, config), degrade, record.name)
    with atomic_path(args.output) as partial:
        partial.write_bytes(_encoded(page, kind))
    height, width = page.shape
    say(args, f"written: {args.output}, {width} x {height} pixels, layout {args.layout}, {args.dpi:g} dpi")
    if args.boxes:
        write_json(args.boxes, page.boxes())
        say(args, f"written: {args.boxes}, the boxes of the leads")


def _encoded(page: "Page | DegradedPage", kind: str) -> bytes:
    """The page as a PNG or JPEG file. The JPEG artefacts of a degraded page are also in its PNG file."""
    from PIL import Image

    content, buffer = page.encode(), io.BytesIO()
    with Image.open(io.BytesIO(content)) as picture:
        if picture.format == kind:
            return content
        picture.convert("RGB").save(buffer, kind, dpi=(page.dpi, page.dpi), quality=JPEG_QUALITY)
    return buffer.getvalue()


@command(
    argument("page", type=Path, metavar="PAGE", help="a page: PNG, JPEG, TIFF, ..."),
    argument("-o", "--output", type=Path, required=True, metavar="IMAGE.png", help="the binary image"),
    argument("--variant", choices=("reader", "paper"), default="reader", help="default: reader"),
    argument(
        "--from",
        dest="source",
        choices=("page", "digitized"),
        default="page",
        help="page (default): the traces as they lie on the page; digitized: drawn again in the layout kit",
    ),
    argument("--size", type=int, default=640, help="side in pixels (default 640)"),
    examples="""preprocess page.png -o image.png
    preprocess photo.jpg -o image.png --from digitized
    preprocess photo.jpg -o image.png --variant paper --size 224""",
)
def preprocess(args: Arguments) -> None:
    """Preprocess one page to the binary image that models read."""
    import cv2

    from ecgpipe.artifacts.files import atomic_path
    from ecgpipe.artifacts.pictures import read_image
    from ecgpipe.config.pages import PreprocessConfig, RenderConfig
    from ecgpipe.imaging.redraw import prepare_digitized
    from ecgpipe.preprocess.apply import prepare

    if args.source == "digitized" and args.variant != "reader":
        raise ConfigError("--from digitized requires --variant reader")
    if not cv2.haveImageWriter(str(args.output)):
        raise DataError(f"{args.output}: not the suffix of an image format; use .png")
    try:
        content = args.page.read_bytes()
    except OSError as error:
        raise DataError(f"{args.page}: cannot be read ({error.strerror})") from error
    config = PreprocessConfig(variant=args.variant, source=args.source, size=args.size)
    picture = read_image(content, str(args.page))
    prepared = prepare_digitized(picture, RenderConfig(), config) if config.digitized else prepare(picture, config)
    image = prepared.image
    # imencode, because imwrite does not report a full disk
    encoded = cv2.imencode(args.output.suffix, (1 - image) * 255, [cv2.IMWRITE_PNG_BILEVEL, 1])[1]
    with atomic_path(args.output) as partial:
        partial.write_bytes(encoded.tobytes())
    height, width = image.shape
    say(args, f"written: {args.output}, {width} x {height} pixels, {image.mean():.1%} ink")
