"""Commands on single pages: render, preprocess."""

import io
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgpipe.cli.parser import Arguments, argument, command, say
from ecgpipe.errors import ConfigError, DataError, RecordError

if TYPE_CHECKING:
    import numpy as np

    from ecgpipe.config.pages import PreprocessConfig
    from ecgpipe.preprocess.apply import Prepared
    from ecgpipe.render.degrade import DegradedPage
    from ecgpipe.render.page import Page

LOSSLESS = ".png", ".bmp", ".tif", ".tiff", ".pgm", ".webp"
PAGE_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
JPEG_QUALITY = 95  # of a page that is not degraded


READING = (
    argument("--derive-leads", action="store_true", help="compute missing III, aVR, aVL and aVF from I and II"),
    argument(
        "--lead-name",
        action="append",
        default=[],
        metavar="NAME=LEAD",
        help="the lead that an unknown name in the record stands for, such as MLII=II or VR=-aVR",
    ),
    argument(
        "--uncalibrated-gain",
        type=float,
        metavar="UNITS",
        help="ADC units per mV of a record that states gain 0 or none",
    ),
)


@command(
    argument("record", type=Path, metavar="RECORD", help="WFDB record (any of its files), or DICOM recording"),
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
    *READING,
    examples="""render records100/00000/00001_lr -o page.png --boxes boxes.json
    render records100/00000/00001_lr -o photo.png --layout cardiac-images --degrade photo""",
)
def render(args: Arguments) -> None:
    """Render the page of one WFDB record."""
    from ecgpipe.artifacts.files import atomic_path, write_json
    from ecgpipe.artifacts.wfdb_header import record_path
    from ecgpipe.config.pages import RenderConfig
    from ecgpipe.render.degrade import degrade_page
    from ecgpipe.render.page import render_page, short_note

    kind = PAGE_FORMATS.get(args.output.suffix.lower())
    if kind is None:
        raise ConfigError(f"{args.output}: pages are written as .png or .jpg; choose one of these suffixes")
    signal, rate = _read_signal(args, args.record)
    degrade = {"level": args.degrade, "seed": args.degrade_seed}  # in the section, so that errors name --degrade-seed
    config = RenderConfig(layout=args.layout, dpi=args.dpi, degrade=degrade)
    try:
        page = degrade_page(render_page(signal, rate, config), config.degrade, record_path(args.record).name)
    except ValueError as error:
        raise DataError(f"{args.record}: {error}") from error
    with atomic_path(args.output) as partial:
        partial.write_bytes(_encoded(page, kind))
    height, width = page.shape
    say(args, f"Wrote {args.output}: {width} x {height} pixels, layout {args.layout}, {args.dpi:g} dpi")
    if note := short_note(signal.shape[1], rate, config):
        say(args, f"note: {note}")
    if args.boxes:
        write_json(args.boxes, page.boxes())
        say(args, f"Wrote the boxes of the leads to {args.boxes}")


def reading_options(args: Arguments) -> dict[str, Any]:
    """The options of ``read_signal`` given on the command line.

    Raises:
        ConfigError: an option is wrong.
    """
    from ecgpipe.lead_names import LEADS, lead_of

    for text in args.lead_name:
        name, _, lead = text.rpartition("=")
        if not name or lead_of(lead) is None:
            raise ConfigError(f"--lead-name {text}: give NAME=LEAD with one of {', '.join(LEADS)}")
    if args.uncalibrated_gain is not None and not 0 < args.uncalibrated_gain < inf:
        raise ConfigError(f"--uncalibrated-gain {args.uncalibrated_gain:g}: give a number above 0")
    names = dict(text.rpartition("=")[::2] for text in args.lead_name)
    given = {"lead_names": names, "uncalibrated_gain": args.uncalibrated_gain}
    return {key: value for key, value in given.items() if value}


def _read_signal(args: Arguments, record: Path) -> "tuple[np.ndarray, float]":
    """The signal of a record, given by any of its files, read with the command's options."""
    from ecgpipe.artifacts.dicom import is_recording
    from ecgpipe.artifacts.signals import read_signal
    from ecgpipe.artifacts.wfdb_header import record_path

    path = record if is_recording(record) else record_path(record)
    return read_signal(path, path.name, None, args.derive_leads, **reading_options(args))


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
    argument("page", type=Path, metavar="PAGE", help="a page: PNG, JPEG, HEIC, PDF, ...; or a record, drawn first"),
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
    *READING,
    examples="""preprocess page.png -o image.png
    preprocess photo.jpg -o image.png --from digitized
    preprocess photo.jpg -o image.png --variant paper --size 224""",
)
def preprocess(args: Arguments) -> None:
    """Preprocess one page, or the page of a record, to the binary image that models read."""
    import cv2

    from ecgpipe.artifacts.files import atomic_path
    from ecgpipe.artifacts.page_files import is_record
    from ecgpipe.config.pages import PreprocessConfig, RenderConfig
    from ecgpipe.imaging.redraw import prepare_digitized
    from ecgpipe.preprocess.apply import prepare
    from ecgpipe.render.page import short_note

    if args.source == "digitized" and args.variant != "reader":
        raise ConfigError("--from digitized requires --variant reader")
    if args.output.suffix.lower() not in LOSSLESS:
        raise DataError(f"{args.output}: not the suffix of a lossless image format; use {', '.join(LOSSLESS)}")
    config = PreprocessConfig(variant=args.variant, source=args.source, size=args.size)
    record = is_record(args.page)
    try:
        if record:
            signal, rate = _read_signal(args, args.page)
            prepared = _image_of_signal(signal, rate, config)
        else:
            picture = _only_page(args.page)
            prepared = (
                prepare_digitized(picture, RenderConfig(), config) if config.digitized else prepare(picture, config)
            )
    except (DataError, ValueError) as error:
        named = str(args.page) in str(error) or isinstance(error, RecordError)
        raise error if named else DataError(f"{args.page}: {error}") from error
    image = prepared.image
    # imencode, because imwrite does not report a full disk
    encoded = cv2.imencode(args.output.suffix, (1 - image) * 255, [cv2.IMWRITE_PNG_BILEVEL, 1])[1]
    with atomic_path(args.output) as partial:
        partial.write_bytes(encoded.tobytes())
    height, width = image.shape
    say(args, f"Wrote {args.output}: {width} x {height} pixels, {image.mean():.1%} ink")
    if record and (note := short_note(signal.shape[1], rate, RenderConfig())):
        say(args, f"note: {note}")


def _only_page(path: Path) -> "np.ndarray":
    """The first page of a file, uint8 (H, W, 3) RGB."""
    from ecgpipe.artifacts.page_files import read_pictures

    page = next(iter(read_pictures(path)))
    if isinstance(page, DataError):
        raise page
    return page.image


def _image_of_signal(signal: "np.ndarray", rate: float, config: "PreprocessConfig") -> "Prepared":
    """The image of a recording, drawn in the layout kit."""
    from ecgpipe.config.pages import RenderConfig
    from ecgpipe.imaging.redraw import redrawn_image
    from ecgpipe.imaging.shard import image_of_page
    from ecgpipe.render.page import render_page

    if config.digitized:
        return redrawn_image(signal, rate, RenderConfig(), config)
    return image_of_page(render_page(signal, rate, RenderConfig()), config)
