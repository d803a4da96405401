"""Commands on models: models, train, card, export."""

import argparse
import json
import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ecgpipe.cli.parser import Arguments, argument, command, positive, say
from ecgpipe.errors import ConfigError, DataError

if TYPE_CHECKING:
    from ecgpipe.artifacts.model_folder import SavedModel
    from ecgpipe.artifacts.recording_model import RecordingModel

MODEL = argument("model", type=Path, metavar="MODEL_DIR", help="folder of a saved model (RUN_DIR/model)")
PLUGIN = argument(
    "--plugin", type=Path, metavar="FILE.py", help="Python file that registers the architecture of a user-defined model"
)
THREADS = argument("--threads", type=positive, metavar="N", help="CPU threads")


@command(
    argument("models", nargs="*", metavar="MODEL", help="variants or timm models (default: the nine variants)"),
    argument(
        "--image-size",
        type=int,
        nargs="+",
        default=[224, 640],
        metavar="PIXELS",
        help="side lengths of the input, multiples of 32 from 64 to 1280 (default 224 640)",
    ),
    argument("--in-chans", type=int, default=1, metavar="N", help="channels of the input (default 1)"),
    argument("--classes", type=int, default=5, metavar="N", help="outputs (default 5)"),
    argument("--card", action="store_true", help="print the card of the built-in model instead"),
    argument("--json", action="store_true", help="print JSON"),
    examples="""models swin swin_lgf_fpn --image-size 640
    models efficientnet_b0 --image-size 224 --json    # any timm model
    models --card                                     # the model that predict uses by default""",
)
def models(args: Arguments) -> None:
    """List models with their cost: parameters, operations and activation memory; and the built-in model."""
    from ecgpipe.artifacts.model_folder import CARD_FILE
    from ecgpipe.config.box import BOX_FOLDER
    from ecgpipe.config.models import ModelConfig

    if args.card:
        print((BOX_FOLDER / CARD_FILE).read_text(encoding="utf-8"), end="")
        return
    for size in args.image_size:  # before PyTorch is imported
        ModelConfig(image_size=size, in_chans=args.in_chans)
    if args.classes < 1:
        raise ConfigError(f"--classes {args.classes}: must be 1 or more")
    from ecgpipe.models.cost import model_cost
    from ecgpipe.models.factory import VARIANTS

    rows = [
        model_cost(name, num_classes=args.classes, in_chans=args.in_chans, img_size=size)
        for name in args.models or VARIANTS
        for size in args.image_size
    ]
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    width = max(len(row["variant"]) for row in rows)
    print(f"{'model':{width}}  {'size':>5}  {'parameters':>11}  {'GMAC':>8}  {'GFLOP':>8}  {'MiB per image':>13}")
    for row in rows:
        print(
            f"{row['variant']:{width}}  {row['width']:5}  {row['parameters']:11,}  {row['gmacs']:8.2f}  "
            f"{row['gflops']:8.2f}  {row['activation_mib']:13.0f}"
        )
    print(
        "GFLOP: 1e9 operations of the forward pass of one image, 2 per MAC. MiB: activations kept for the backward "
        "pass, float32."
    )
    print(f"\n{_built_in_summary(BOX_FOLDER)}")


def _built_in_summary(folder: Path) -> str:
    """A few lines on the model that comes with the package."""
    from ecgpipe.artifacts.files import read_json
    from ecgpipe.artifacts.recording_model import RecordingModel
    from ecgpipe.artifacts.runs import METRICS_FILE

    saved, looks = RecordingModel.read(folder), read_json(folder / METRICS_FILE)["looks"]
    scores = ", ".join(f"{look} {scores['scores']['auc_macro']['value']:.3f}" for look, scores in looks.items())
    return (
        f"Built-in model (ecgpipe predict PAGE): {', '.join(saved.classes)}, from photos, scans and records in any "
        f"layout.\nMacro AUC: {scores}.\nIts card: ecgpipe models --card"
    )


@command(
    argument("run", type=Path, metavar="RUN_DIR", help="folder of a prepared run"),
    argument("--threads", type=positive, metavar="N", help="CPU threads per process"),
    argument("--accelerator", default="auto", choices=("auto", "cpu", "gpu", "mps"), help="default: auto"),
    argument("--devices", type=positive, default=1, metavar="N", help="GPUs or processes per node (default 1)"),
    argument("--nodes", type=positive, default=1, metavar="N", help="nodes (default 1)"),
    argument("--strategy", default="auto", help="Lightning's strategy, e.g. ddp (default for several devices)"),
    argument(
        "--images-on-device",
        default="auto",
        choices=("auto", "yes", "no"),
        help="keep all images in the memory of the device (default: on a GPU if they fit)",
    ),
    argument(
        "--tensorboard",
        action=argparse.BooleanOptionalAction,
        help="write TensorBoard logs (default: if it is installed)",
    ),
    argument(
        "--save-minutes",
        type=float,
        default=15.0,
        metavar="M",
        help="minutes between checkpoints within an epoch (default 15)",
    ),
    examples="""train results/ptb-xl/folds/swin_lgf_fpn/seed-0
    train results/ptb-xl/folds/swin_lgf_fpn/seed-0 --devices 2 --strategy ddp""",
    logs=True,
)
def train(args: Arguments) -> None:
    """Train a prepared run (a folder with run.json and run_index.npz); an interrupted run is resumed."""
    from ecgpipe.artifacts.runs import HISTORY_FILE, INDEX_FILE, RunConfig
    from ecgpipe.gpus import reserve_gpus

    run = RunConfig.read(args.run)  # before PyTorch is imported, which takes 10 seconds
    if not (args.run / INDEX_FILE).is_file():
        raise DataError(f"{args.run / INDEX_FILE}: no such file; prepare the run again")
    if os.environ.get("LOCAL_RANK", "0") == "0":  # not in the other processes of a run on several devices
        say(args, f"{run.variant}: up to {run.train.epochs} epochs, one line each in {args.run / HISTORY_FILE}")

    with reserve_gpus(args.devices) if args.accelerator in ("auto", "gpu") else nullcontext():
        _train(args)


def _train(args: Arguments) -> None:
    from lightning.pytorch.utilities import rank_zero_only

    from ecgpipe.models.card import save_model
    from ecgpipe.progress import progress_bars_shown
    from ecgpipe.train.engine import train_run
    from ecgpipe.train.hardware import TrainerOptions

    options = TrainerOptions(
        accelerator=args.accelerator,
        devices=args.devices,
        nodes=args.nodes,
        strategy=args.strategy,
        threads=args.threads,
        on_device=args.images_on_device,
        tensorboard=args.tensorboard,
        save_minutes=args.save_minutes,
    )
    summary = train_run(args.run, options, show_progress=progress_bars_shown())
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
        return
    epochs = "1 epoch" if summary["epochs"] == 1 else f"{summary['epochs']} epochs"
    print(
        f"{summary['variant']}: {epochs} in {summary['seconds']:.0f} s, lowest validation loss "
        f"{summary['best_validation_loss']:.4f} in epoch {summary['best_epoch']}; weights in {args.run}"
    )
    print(f"saved the model with its card in {save_model(args.run)}")


@command(
    argument("run", type=Path, metavar="RUN_DIR", help="folder of a trained run"),
    argument("-o", "--output", type=Path, metavar="FOLDER", help="default: model/ in the run's folder"),
    examples="card results/ptb-xl/folds/swin_lgf_fpn/seed-0",
)
def card(args: Arguments) -> None:
    """Save the model of a trained run with its card: weights, configuration, preprocessing and scores."""
    from ecgpipe.artifacts.runs import RunConfig
    from ecgpipe.gpus import reserve_gpus

    RunConfig.read(args.run)  # before PyTorch is imported

    with reserve_gpus(1, wait=False):
        _card(args)


def _card(args: Arguments) -> None:
    from ecgpipe.models.card import save_model

    print(f"saved the model with its card in {save_model(args.run, args.output)}")


def read_model(args: Arguments) -> "SavedModel | RecordingModel":
    """The description of the saved model; checks its files and ``--plugin`` before PyTorch is imported."""
    from ecgpipe.artifacts.recording_model import read_saved
    from ecgpipe.artifacts.runs import WEIGHTS_FILE

    saved = read_saved(args.model)
    for file in filter(None, (args.model / WEIGHTS_FILE, args.plugin)):
        if not file.is_file():
            raise DataError(f"{file}: no such file")
    return saved


@command(
    MODEL,
    PLUGIN,
    argument("-o", "--output", type=Path, metavar="FILE", required=True, help="the ONNX file"),
    examples="export results/ptb-xl/folds/swin/seed-0/model -o swin.onnx",
)
def export(args: Arguments) -> None:
    """Export a saved model to one ONNX file, and compare its outputs with PyTorch's."""
    from ecgpipe.artifacts.recording_model import holds_recording_model

    if holds_recording_model(args.model):
        raise ConfigError(f"{args.model}: a signal model, which cannot be exported; it needs the page reader")
    read_model(args)
    if args.output.is_dir():
        raise ConfigError(f"{args.output}: a folder; name the ONNX file")
    from ecgpipe.models import load_model
    from ecgpipe.models.export import export_onnx

    model, saved = load_model(args.model, args.plugin)
    size = saved.model.image_size
    metadata = saved.model_dump(mode="json", include={"format_version", "classes", "task", "input", "preprocessing"})
    error = export_onnx(model, args.output, in_chans=saved.model.in_chans, img_size=(size, size), metadata=metadata)
    checked = "not compared: onnxruntime is not installed" if error is None else f"logits within {error:.1e}"
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB, {checked}")
