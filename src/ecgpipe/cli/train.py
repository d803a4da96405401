"""ecgpipe train"""

import argparse
from contextlib import nullcontext
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command


def run(args: Arguments) -> None:
    """Train a prepared run (a folder with run.json and run_index.npz); goes on where an interrupted one stopped."""
    from ecgpipe.gpus import reserve_gpus

    with reserve_gpus(args.devices) if args.accelerator in ("auto", "gpu") else nullcontext():
        _train(args)


def _train(args: Arguments) -> None:
    from lightning.pytorch.utilities import rank_zero_only

    from ecgpipe.models.card import save_model
    from ecgpipe.progress import progress_bars_shown
    from ecgpipe.train.engine import train_run
    from ecgpipe.train.hardware import TrainerOptions

    machine = TrainerOptions(
        accelerator=args.accelerator,
        devices=args.devices,
        nodes=args.nodes,
        strategy=args.strategy,
        threads=args.threads,
        on_device=args.images_on_device,
        tensorboard=args.tensorboard,
        save_minutes=args.save_minutes,
    )
    summary = train_run(args.run, machine, show_progress=progress_bars_shown())
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
        return
    print(
        f"{summary['variant']}: {summary['epochs']} epochs in {summary['seconds']:.0f} s, lowest validation loss "
        f"{summary['best_validation_loss']:.4f} in epoch {summary['best_epoch']}; weights in {args.run}"
    )
    print(f"saved with its card in {save_model(args.run)}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run's folder, and the machine; what decides the result is in run.json."""
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="folder of a prepared run")
    parser.add_argument("--threads", type=int, help="CPU threads a process")
    parser.add_argument("--accelerator", default="auto", choices=("auto", "cpu", "gpu", "mps"), help="default: auto")
    parser.add_argument("--devices", type=int, default=1, metavar="N", help="GPUs or processes a node (default 1)")
    parser.add_argument("--nodes", type=int, default=1, metavar="N", help="machines (default 1)")
    parser.add_argument("--strategy", default="auto", help="Lightning's, e.g. ddp (the default for several devices)")
    parser.add_argument(
        "--images-on-device",
        default="auto",
        choices=("auto", "yes", "no"),
        help="hold all images in the device's memory (default: on a GPU where they fit)",
    )
    parser.add_argument(
        "--tensorboard", action=argparse.BooleanOptionalAction, help="write its logs (default: if it is installed)"
    )
    parser.add_argument(
        "--save-minutes", type=float, default=15.0, metavar="M", help="save also within epochs, so often (default 15)"
    )


TRAIN = Command(
    "train",
    run,
    add_arguments,
    """train results/ptb-xl/folds/swin_lgf_fpn/seed-0
train results/ptb-xl/folds/swin_lgf_fpn/seed-0 --devices 2 --strategy ddp""",
    logs=True,
)
