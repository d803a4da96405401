"""Command that reads pictures of pages: read."""

import sys
from pathlib import Path

from ecgpipe.cli.parser import Arguments, argument, command
from ecgpipe.errors import DataError


@command(
    argument("pages", type=Path, nargs="+", metavar="PAGE", help="photos, scans, PDF files, or folders of these"),
    argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the results"),
    argument("--mask", action="store_true", help="also write STEM-mask.png: 255 where the picture has trace"),
    argument("--weights", type=Path, metavar="FILE", help="weights of another reader (default: the package's)"),
    argument("--threads", type=int, default=None, help="CPU threads (default: all cores)"),
    examples="""read photo.jpg -o read
    read scans/ report.pdf -o read --mask""",
)
def read(args: Arguments) -> None:
    """Read pictures of ECG pages: the upright page, its leads, and what is doubtful."""
    from tqdm import tqdm

    from ecgpipe.artifacts.page_files import PICTURES, find_files, read_pictures
    from ecgpipe.progress import progress

    files = find_files(args.pages, PICTURES)  # before PyTorch is imported, which takes seconds
    if missing := [file for file in files if not file.is_file()]:
        raise DataError(f"{missing[0]}: no such file; check the name")

    import torch

    from ecgpipe.reader.output import ReadFolder
    from ecgpipe.reader.read import WEIGHTS, load_reader

    if args.threads:
        torch.set_num_threads(args.threads)
    net, folder, failed = load_reader(args.weights or WEIGHTS), ReadFolder(args.output, args.mask), 0
    for file in progress(files, "read", unit="files"):
        for picture in read_pictures(file):
            try:
                if isinstance(picture, DataError):
                    raise picture
                tqdm.write(folder.write(picture, net), file=sys.stdout)
            except DataError as error:
                failed += 1
                tqdm.write(f"ecgpipe: {error}", file=sys.stderr)
    if failed:
        pages = "1 page" if failed == 1 else f"{failed} pages"
        raise DataError(f"{pages} could not be read; the others are in {args.output}")
