"""The command line tool. Each command imports what it needs when it runs, so that help is instant."""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ecgpipe import __version__
from ecgpipe.errors import DataError, EcgpipeError


def simulate(args: argparse.Namespace) -> None:
    """Write simulated records in PTB-XL's layout, with the truth."""
    from ecgpipe.acquire.simulate.dataset import simulate_dataset
    from ecgpipe.progress import progress_counter

    simulate_dataset(
        args.folder,
        records=args.records,
        seed=args.seed,
        sampling_rates=args.sampling_rate or (100,),
        difficulty=args.difficulty,
        workers=args.workers,
        progress=progress_counter("simulate"),
    )


def labels(args: argparse.Namespace) -> None:
    """Count the labels of a PTB-XL copy; needs its two tables, no signals."""
    from ecgpipe.acquire.labels import make_labels
    from ecgpipe.acquire.ptbxl import read_database, superclass_of
    from ecgpipe.config.acquire import SUPERCLASSES, LabelsConfig

    config = LabelsConfig(policy=args.policy, min_likelihood=args.min_likelihood)
    database = read_database(args.folder)
    # the statements table of another release may lie one level up
    statements = next(
        (f for f in (args.folder, args.folder.parent) if (f / "scp_statements.csv").is_file()), args.folder
    )
    ids = [str(ecg_id) for ecg_id in database.index]
    _, counts = make_labels(ids, database["scp_codes"].tolist(), superclass_of(statements), SUPERCLASSES, config)
    if args.json:
        print(json.dumps({"policy": args.policy, "records": len(ids), **counts.as_dict()}, indent=1))
        return
    print(f"{len(ids)} records, policy {args.policy}: {counts.kept} kept")
    for name, count in counts.classes.items():
        print(f"  {name:5} {count:6}")
    for reason, count in counts.dropped.items():
        print(f"left out, {reason}: {count}")


def render(args: argparse.Namespace) -> None:
    """Draw the page of one WFDB record."""
    from ecgpipe.artifacts.atomic import atomic_path, write_json
    from ecgpipe.artifacts.signals import read_signal
    from ecgpipe.config.render import RenderConfig
    from ecgpipe.render.draw import render_page

    record = args.record.with_suffix("") if args.record.suffix in {".hea", ".dat"} else args.record
    signal, rate = read_signal(record, record.name)
    page = render_page(signal, rate, RenderConfig(layout=args.layout, dpi=args.dpi))
    with atomic_path(args.output) as partial:
        partial.write_bytes(page.encode())
    if args.boxes:
        write_json(args.boxes, page.boxes())


def preprocess(args: argparse.Namespace) -> None:
    """Make the model-ready image of one page."""
    import cv2

    from ecgpipe.artifacts.atomic import atomic_path
    from ecgpipe.config.preprocess import PreprocessConfig
    from ecgpipe.preprocess.apply import preprocess_file

    try:
        content = args.page.read_bytes()
    except OSError as error:
        raise DataError(f"{args.page}: cannot be read ({error.strerror})") from error
    image = preprocess_file(content, str(args.page), PreprocessConfig(variant=args.variant, size=args.size))
    with atomic_path(args.output) as partial:
        cv2.imwrite(str(partial), (1 - image) * 255, [cv2.IMWRITE_PNG_BILEVEL, 1])


def models(args: argparse.Namespace) -> None:
    """List the variants with their size and cost."""
    from ecgpipe.models.cost import describe
    from ecgpipe.models.registry import VARIANTS

    rows = [describe(name, num_classes=5, in_chans=1, img_size=args.image_size) for name in VARIANTS]
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{'variant':24} {'parameters':>12} {'GFLOPs':>8}   at {args.image_size} x {args.image_size}")
    for row in rows:
        print(f"{row['variant']:24} {row['parameters']:12,} {row['gflops']:8.2f}")


def train(args: argparse.Namespace) -> None:
    """Train a prepared run (a folder with run.json and items.npz); goes on where an interrupted one stopped."""
    from ecgpipe.train.engine import train_run

    summary = train_run(args.run, threads=args.threads, show_progress=sys.stderr.isatty())
    print(
        f"{summary['variant']}: {summary['epochs']} epochs in {summary['seconds']:.0f} s, lowest validation loss "
        f"{summary['best_validation_loss']:.4f} in epoch {summary['best_epoch']}; weights in {args.run}"
    )


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="ecgpipe",
        description="ECG images: simulate, draw, preprocess, train. Snakemake runs the benchmark: README.md.",
    )
    parser.add_argument("--version", action="version", version=f"ecgpipe {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more of what is done")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(run: Callable[[argparse.Namespace], None], example: str) -> argparse.ArgumentParser:
        text = (run.__doc__ or "").strip()
        sub = commands.add_parser(run.__name__, help=text, description=text, epilog=f"example: ecgpipe {example}")
        sub.set_defaults(run_command=run)
        return sub

    sub = command(simulate, "simulate data/simulated --records 200 --seed 1")
    sub.add_argument("folder", type=Path, metavar="DIR", help="folder to write")
    sub.add_argument("--records", type=int, required=True, metavar="N", help="number of records")
    sub.add_argument("--seed", type=int, required=True, metavar="S", help="seeds every record")
    sub.add_argument("--sampling-rate", type=int, choices=(100, 500), action="append", help="Hz; may be given twice")
    sub.add_argument("--difficulty", type=float, default=0.25, help="share of subtle findings, 0 to 1 (default 0.25)")
    sub.add_argument("--workers", type=int, default=1, help="processes (default 1)")

    sub = command(labels, "labels data/ptb-xl --policy single")
    sub.add_argument("folder", type=Path, metavar="DIR", help="folder with ptbxl_database.csv and scp_statements.csv")
    sub.add_argument("--policy", choices=("single", "primary", "multilabel"), default="single", help="default: single")
    sub.add_argument("--min-likelihood", type=float, default=0, metavar="PERCENT", help="ignore statements below it")
    sub.add_argument("--json", action="store_true", help="print JSON")

    sub = command(render, "render records100/00000/00001_lr -o page.png --boxes boxes.json")
    sub.add_argument("record", type=Path, metavar="RECORD", help="WFDB record")
    sub.add_argument("-o", "--output", type=Path, required=True, metavar="PAGE.png", help="the page")
    sub.add_argument("--layout", default="kit", help="kit, cardiac-images, ... (default kit)")
    sub.add_argument("--dpi", type=float, default=200, help="resolution (default 200)")
    sub.add_argument("--boxes", type=Path, metavar="BOXES.json", help="also write where each lead is")

    sub = command(preprocess, "preprocess page.png -o image.png")
    sub.add_argument("page", type=Path, metavar="PAGE", help="a page: PNG, JPEG, TIFF, ...")
    sub.add_argument("-o", "--output", type=Path, required=True, metavar="IMAGE.png", help="the binary image")
    sub.add_argument("--variant", choices=("trace", "paper"), default="trace", help="default: trace")
    sub.add_argument("--size", type=int, default=640, help="pixels a side (default 640)")

    sub = command(models, "models --image-size 224")
    sub.add_argument("--image-size", type=int, default=640, help="pixels a side (default 640)")
    sub.add_argument("--json", action="store_true", help="print JSON")

    sub = command(train, "train results/ptb-xl/folds/swin_lgf_fpn/seed-0")
    sub.add_argument("run", type=Path, metavar="RUN_DIR", help="folder of a prepared run")
    sub.add_argument("--threads", type=int, help="CPU threads")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, or 1 after a message on what to mend."""
    args = build_parser().parse_args(arguments)
    level = logging.DEBUG if args.verbose else logging.INFO
    logging.basicConfig(
        level=level if args.run_command is train or args.verbose else logging.WARNING, format="%(message)s"
    )
    try:
        args.run_command(args)
    except ValueError as error:
        if type(error).__name__ != "ValidationError":  # pydantic's, of a section built from options
            raise
        for problem in error.errors():
            name = "--" + "-".join(map(str, problem["loc"])) if problem["loc"] else "the options"
            print(f"ecgpipe: {name}: {problem['msg']}; given: {problem['input']!r}", file=sys.stderr)
        return 1
    except EcgpipeError as error:
        print(f"ecgpipe: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        print("ecgpipe: interrupted", file=sys.stderr)
        return 130
    return 0
