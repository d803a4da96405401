"""Commands that read pictures of pages: read, digitize."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgpipe.cli.batch import Batch, counted
from ecgpipe.cli.parser import Arguments, argument, command, positive
from ecgpipe.errors import ConfigError, DataError

if TYPE_CHECKING:
    from ecgpipe.reader.templates import Layout

PAGES = argument("pages", type=Path, nargs="+", metavar="PAGE", help="photos, scans, PDF files, or folders of these")
OUTPUT = argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the results")
LAYOUTS = argument("--layouts", type=Path, metavar="FILE", help="further page layouts (docs/reader.md)")
WEIGHTS = argument("--weights", type=Path, metavar="FILE", help="weights of another reader (default: the package's)")
THREADS = argument("--threads", type=positive, help="CPU threads (default: all cores)")
JSON = argument("--json", action="store_true", help="print one JSON document (docs/reader.md)")
SCALES = (
    argument(
        "--speed", type=float, metavar="MM_PER_S", help="paper speed, if known (default: as printed, or by the waves)"
    ),
    argument(
        "--gain", type=float, metavar="MM_PER_MV", help="gain, if known (default: by the pulses, as printed, or 10)"
    ),
)
RANGES = {
    "rate": (50.0, 10_000.0, "Hz"),
    "speed": (5.0, 200.0, "mm/s"),
    "gain": (1.0, 100.0, "mm/mV"),
}


@command(
    PAGES,
    OUTPUT,
    argument("--mask", action="store_true", help="also write STEM-mask.png: 255 where the picture shows a trace"),
    LAYOUTS,
    WEIGHTS,
    THREADS,
    JSON,
    examples="""read photo.jpg -o read
    read scans/ report.pdf -o read --mask""",
)
def read(args: Arguments) -> None:
    """Read pictures of ECG pages: the upright page, its leads, and notes on doubtful parts."""
    layouts = further_layouts(args.layouts)

    def folder(inputs: list[Path]) -> Any:
        from ecgpipe.reader.output import ReadFolder

        return ReadFolder(args.output, args.mask, layouts, inputs)

    _each_page(args, folder, "read")


@command(
    PAGES,
    OUTPUT,
    argument("--rate", type=float, default=500.0, metavar="HZ", help="samples per second (default: 500)"),
    *SCALES,
    argument("--csv", action="store_true", help="also write STEM.csv: time in s and leads in mV"),
    argument("--parquet", action="store_true", help="also write STEM.parquet: time in s and leads in mV"),
    LAYOUTS,
    WEIGHTS,
    THREADS,
    JSON,
    examples="""digitize photo.jpg -o records
    digitize scans/ report.pdf -o records --csv
    digitize fast.png -o records --speed 50 --json""",
)
def digitize(args: Arguments) -> None:
    """Digitize pictures of ECG pages: a WFDB record of 12 leads for each page."""
    given = numbers_in_range(args, *RANGES)
    layouts = further_layouts(args.layouts)

    def folder(inputs: list[Path]) -> Any:
        from ecgpipe.reader.record import RecordFolder

        return RecordFolder(args.output, csv=args.csv, parquet=args.parquet, layouts=layouts, inputs=inputs, **given)

    _each_page(args, folder, "digitize")


def numbers_in_range(args: Arguments, *names: str) -> dict[str, float]:
    """The given ones of the options rate, speed and gain.

    Raises:
        ConfigError: a number is out of range.
    """
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    for name, value in given.items():
        low, high, unit = RANGES[name]
        if not low <= value <= high:
            raise ConfigError(f"--{name} {value:g}: give {low:g} to {high:g} {unit}")
    return given


def further_layouts(file: Path | None) -> "tuple[Layout, ...] | None":
    """The package's layouts and those of a file."""
    if file is None:
        return None
    from ecgpipe.reader.templates import read_templates  # imports PyTorch

    return (*read_templates(), *read_templates(file))


def _each_page(args: Arguments, make_folder: Callable[[list[Path]], Any], verb: str) -> None:
    """Write the results of every picture, and report those that failed.

    Raises:
        DataError: a file is missing, or at least one page failed.
    """
    from ecgpipe.artifacts.files import check_writable
    from ecgpipe.artifacts.page_files import Picture, read_pictures
    from ecgpipe.artifacts.suffixes import PICTURES

    batch = Batch(args, args.pages, PICTURES)  # before PyTorch is imported, which takes seconds
    check_writable(args.output)

    import torch

    from ecgpipe.config.pages import READER_WEIGHTS
    from ecgpipe.reader.read import load_reader

    if args.threads:
        torch.set_num_threads(args.threads)
    net, folder = load_reader(args.weights or READER_WEIGHTS), make_folder(batch.files)

    def write(picture: Picture) -> tuple[str, dict[str, Any]]:
        return folder.write(picture, net)

    batch.run(verb, read_pictures, write, lambda: {"pages": batch.rows, "errors": batch.errors})
    if failed := len(batch.failures):
        others = f"; the others are in {args.output}" if batch.rows else ""
        done = "read" if verb == "read" else "digitized"
        raise DataError(f"{counted(failed, 'page')} could not be {done}{others}")
