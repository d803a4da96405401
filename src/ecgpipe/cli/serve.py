"""ecgpipe serve"""

import argparse
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command


def run(args: Arguments) -> None:
    """Show a local web page that predicts dropped files with a saved model. Research only: it is no diagnosis."""
    from ecgpipe.gpus import reserve_gpus

    with reserve_gpus(1, wait=False):  # before the model's process starts, which sees what this one does
        _serve(args)


def _serve(args: Arguments) -> None:
    import sys

    from ecgpipe.serve.server import LocalPage, is_loopback

    page = LocalPage(
        args.model,
        args.host,
        args.port,
        args.allow_host,
        threads=args.threads,
        seconds=args.seconds,
        largest=args.megabytes * 10**6,
        plugin=args.plugin,
    )
    if not is_loopback(args.host):
        print(
            "ecgpipe: anyone who can reach this address can use the page, and others can read what is sent: it has no "
            "password and no encryption. Put it behind a server that has both, or use the default --host",
            file=sys.stderr,
        )
    print(f"{page.address} shows the page; Ctrl-C ends it. Research only: it is no diagnosis.", flush=True)
    page.run()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, and where its page is."""
    parser.add_argument("model", type=Path, metavar="MODEL_DIR", help="folder of a saved model (RUN_DIR/model)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at (default 127.0.0.1, this machine alone)"
    )
    parser.add_argument("--port", type=int, default=8765, help="0 takes any free one (default 8765)")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a further name by which the page is opened"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads")
    parser.add_argument("--seconds", type=float, default=120, metavar="S", help="that a file may take (default 120)")
    parser.add_argument("--megabytes", type=int, default=40, metavar="M", help="that a file may have (default 40)")
    plugin = "what registers the architecture, if it is one of your own"
    parser.add_argument("--plugin", type=Path, metavar="FILE.py", help=plugin)


SERVE = Command("serve", run, add_arguments, "serve results/demo/simulated/patient/resnet34/seed-0/model")
