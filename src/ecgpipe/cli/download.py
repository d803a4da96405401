"""ecgpipe download"""

import argparse
import hashlib
from collections.abc import Callable
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command


def run(args: Arguments) -> None:
    """Download a data set into a folder; the same command goes on after a failure or an interruption."""
    from ecgpipe.acquire.download import download, download_ptbxl, needed_at_rate, unpack_zip, verify_checksums
    from ecgpipe.config.data import CardiacImagesConfig, PtbXlConfig
    from ecgpipe.errors import DataError

    folder = args.folder.resolve()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DataError(f"{folder}: is there already, and is left as it is; name another folder, or remove it")

    def from_archive(url: str, wanted: Callable[[str], bool], has_sums: bool) -> None:
        mark = hashlib.sha256(url.encode()).hexdigest()[:8]  # no other address's archive is taken for this one
        archive, staging = (folder.with_name(f".{folder.name}.{mark}.{end}") for end in ("zip", "unpacked"))
        if not archive.exists():
            download(url, archive)
        unpack_zip(archive, staging, wanted)
        if has_sums:
            try:
                verify_checksums(staging, wanted)
            except DataError:
                archive.unlink()  # whole, but wrong: the next call fetches it again
                raise
        staging.replace(folder)
        archive.unlink()

    if args.dataset == "cardiac-images":
        images = CardiacImagesConfig(**({"url": args.url} if args.url else {}))
        from_archive(images.url, lambda name: True, has_sums=False)
        return
    config = PtbXlConfig(
        version=args.version, sampling_rate=args.sampling_rate, fetch=args.fetch, url=args.url,
    )  # fmt: skip
    if config.fetch == "files":
        download_ptbxl(config.address, folder, config.sampling_rate, args.connections)
    else:
        from_archive(config.address, needed_at_rate(config.sampling_rate), has_sums=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data set, the folder, and where from."""
    parser.add_argument("dataset", choices=("ptb-xl", "cardiac-images"), help="which")
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder to make")
    parser.add_argument("--version", default="1.0.3", choices=("1.0.1", "1.0.3"), help="of PTB-XL (default 1.0.3)")
    parser.add_argument("--sampling-rate", type=int, default=100, choices=(100, 500), help="Hz (default 100)")
    parser.add_argument("--fetch", default="files", choices=("files", "archive"), help="PTB-XL: default files")
    parser.add_argument("--connections", type=int, default=4, metavar="N", help="files at a time (default 4)")
    parser.add_argument("--url", help="another address of the archive or folder, http(s) or s3")


DOWNLOAD = Command(
    "download",
    run,
    add_arguments,
    """download ptb-xl data/ptb-xl --sampling-rate 100
download cardiac-images data/ecg-images""",
)
