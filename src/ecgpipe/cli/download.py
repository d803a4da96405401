"""ecgpipe download"""

import argparse
import os
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command


def run(args: Arguments) -> None:
    """Download a data set into a folder; the same command goes on after a failure or an interruption."""
    from ecgpipe.acquire.checksums import check_sums
    from ecgpipe.acquire.download import download, download_files, of_sampling_rate
    from ecgpipe.acquire.unpack import unpack_zip
    from ecgpipe.config.acquire import CardiacImagesConfig, PtbXlConfig

    archive = args.folder.with_name(args.folder.name + ".zip")
    if args.dataset == "cardiac-images":
        config = CardiacImagesConfig(**({"url": args.url} if args.url else {}))
        download(config.url, archive)
        unpack_zip(archive, args.folder)
        os.remove(archive)
        return
    config = PtbXlConfig(
        version=args.version, sampling_rate=args.sampling_rate, fetch=args.fetch, connections=args.connections,
        url=args.url,
    )  # fmt: skip
    if config.fetch == "files":
        download_files(config.address, args.folder, config.sampling_rate, config.connections)
    else:
        wanted = of_sampling_rate(config.sampling_rate)
        download(config.address, archive)
        unpack_zip(archive, args.folder, wanted)
        check_sums(args.folder, wanted)
        os.remove(archive)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data set, the folder, and where from."""
    parser.add_argument("dataset", choices=("ptb-xl", "cardiac-images"), help="which")
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder to make")
    parser.add_argument("--version", default="1.0.3", choices=("1.0.1", "1.0.3"), help="of PTB-XL (default 1.0.3)")
    parser.add_argument("--sampling-rate", type=int, default=100, choices=(100, 500), help="Hz (default 100)")
    parser.add_argument("--fetch", default="files", choices=("files", "archive"), help="PTB-XL: default files")
    parser.add_argument("--connections", type=int, default=4, metavar="N", help="files at a time (default 4)")
    parser.add_argument("--url", help="another address of the archive or folder, http(s) or s3")


DOWNLOAD = Command("download", run, add_arguments, "download ptb-xl data/ptb-xl --sampling-rate 100")
