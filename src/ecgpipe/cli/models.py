"""Commands on models: models, train, card, export, predict, serve."""

import argparse
import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ecgpipe.cli.parser import Arguments, argument, command, say
from ecgpipe.errors import ConfigError, DataError, EcgpipeError

if TYPE_CHECKING:
    from ecgpipe.artifacts.model_folder import SavedModel
    from ecgpipe.artifacts.recording_model import RecordingModel

CAM_METHODS = ("gradcam", "gradcam++", "layercam", "eigencam", "integrated-gradients")
MODEL = argument("model", type=Path, metavar="MODEL_DIR", help="folder of a saved model (RUN_DIR/model)")
MODEL_FILES = ("config.json", "weights.safetensors", "run.json", "model")
"""A folder with one of these is a model, or was meant to be one."""
PLUGIN = argument(
    "--plugin", type=Path, metavar="FILE.py", help="Python file that registers the architecture of a user-defined model"
)
THREADS = argument("--threads", type=int, metavar="N", help="CPU threads")


@command(
    argument("models", nargs="*", metavar="MODEL", help="variants or timm models (default: the nine variants)"),
    argument(
        "--image-size",
        type=int,
        nargs="+",
        default=[224, 640],
        metavar="PIXELS",
        help="sides of the input, multiples of 32 from 64 to 1280 (default 224 640)",
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
    argument("--threads", type=int, metavar="N", help="CPU threads per process"),
    argument("--accelerator", default="auto", choices=("auto", "cpu", "gpu", "mps"), help="default: auto"),
    argument("--devices", type=int, default=1, metavar="N", help="GPUs or processes per node (default 1)"),
    argument("--nodes", type=int, default=1, metavar="N", help="nodes (default 1)"),
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
    if os.environ.get("LOCAL_RANK", "0") == "0":  # not the further processes of several devices
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


def _read_model(args: Arguments) -> "SavedModel | RecordingModel":
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
        raise ConfigError(f"{args.model}: a model of recordings, which cannot be exported; it needs the page reader")
    _read_model(args)
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


@command(
    argument(
        "files",
        type=Path,
        nargs="+",
        metavar="[MODEL_DIR] FILE",
        help="PNG, JPEG, TIFF, BMP, WebP or PDF file, WFDB record (with or without .hea), or a folder of them; first "
        "possibly the folder of a saved model (RUN_DIR/model) to use instead of the built-in one",
    ),
    argument("--cam", type=Path, metavar="DIR", help="write saliency overlays to DIR"),
    argument(
        "--cam-method",
        choices=CAM_METHODS,
        help="default: gradcam; of the built-in model integrated-gradients, its only one",
    ),
    argument("--cam-class", metavar="CLASS", help="class of the overlays (default: the most probable class)"),
    argument("--layout", metavar="NAME", help="draw records in this layout instead of the training's"),
    argument(
        "--derive-leads", action="store_true", help="compute III, aVR, aVL and aVF from I and II if a record lacks them"
    ),
    PLUGIN,
    THREADS,
    argument("--json", action="store_true", help="print JSON (docs/predict.md)"),
    examples="""predict photo.jpg scan.pdf --cam overlays    # the built-in model
    predict results/demo/simulated/patient/small_resnet/seed-0/model photo.jpg
    predict records100/00000/00001_lr --json""",
)
def predict(args: Arguments) -> None:
    """Predict photos, scans, PDF pages and WFDB records with the built-in or a saved model. Research only."""
    from ecgpipe.artifacts.page_files import PICTURES, find_files
    from ecgpipe.config.box import BOX_FOLDER
    from ecgpipe.gpus import reserve_gpus

    first = args.files[0]
    if first.is_dir() and any((first / name).exists() for name in MODEL_FILES):
        args.model, args.files = first, args.files[1:]
        if not args.files:
            raise ConfigError(f"{first}: a saved model; name the pages to predict after it")
    else:
        args.model = BOX_FOLDER
        if not (first.exists() or first.with_name(f"{first.name}.hea").exists()):
            raise DataError(f"{first}: no such model folder, file or record; check the name")
    saved = _read_model(args)
    if args.cam_class is not None and args.cam_class not in saved.classes:
        raise ConfigError(f"--cam-class {args.cam_class!r} is not a class of this model: {', '.join(saved.classes)}")
    files: dict[Path, None] = {}
    missing = []
    for path in args.files:
        try:
            found = find_files([path], PICTURES | {".hea"})
            if note := found.note():
                print(f"ecgpipe: note: {note}", file=sys.stderr)
            for file in found.files:
                if not file.exists():
                    raise DataError(f"{file}: no such file or record; check the name")
                files[file] = None
        except DataError as error:
            missing.append(error)
    if not files and not args.json:
        raise EcgpipeError("; ".join(map(str, missing)))
    with reserve_gpus(1, wait=False):  # a training may keep its GPU for hours
        _predict(args, list(files), missing)


def _predict(args: Arguments, files: list[Path], missing: list[DataError]) -> None:
    from tqdm import tqdm

    from ecgpipe.predict import NOTICE, load_predictor
    from ecgpipe.predict.output import OverlayFolder, describe_calibration, format_prediction
    from ecgpipe.progress import progress

    predictor = load_predictor(args.model, threads=args.threads, plugin=args.plugin)
    reader = predictor.reader(args.layout, args.derive_leads or None)
    overlays = OverlayFolder(predictor, args.cam, args.cam_method, args.cam_class) if args.cam else None
    predictions, errors = [], []

    def add_error(error: Exception) -> None:
        errors.append(" ".join(str(error).split()))
        tqdm.write(f"ecgpipe: {errors[-1]}", file=sys.stderr)

    for error in missing:
        add_error(error)
    for path in progress(files, "predict", unit="files"):
        for page in reader.read(path):
            if isinstance(page, DataError):
                add_error(page)
                continue
            prediction = predictor.predict([page])[0]
            row = prediction.to_dict()
            if overlays is not None:
                row["overlay"] = overlays.write(page, prediction)
            predictions.append(row)
            if not args.json:
                tqdm.write(format_prediction(prediction, predictor.description), file=sys.stdout)
                if overlays is not None:
                    tqdm.write(f"  overlay: {row['overlay']}", file=sys.stdout)
    if args.json:
        document = {"notice": NOTICE, "model": predictor.description, "predictions": predictions, "errors": errors}
        print(json.dumps(document, indent=1, allow_nan=False))
    elif predictions:
        print(f"\n{describe_calibration(predictor.saved)}\n{NOTICE}")
    if errors:
        raise EcgpipeError(f"inputs that could not be used: {len(errors)}; pages predicted: {len(predictions)}")


@command(
    argument(
        "model",
        type=Path,
        nargs="?",
        metavar="MODEL_DIR",
        help="folder of a saved model (RUN_DIR/model); default: the built-in model",
    ),
    argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: this machine only)"),
    argument("--port", type=int, default=8765, help="0 selects a free port (default 8765)"),
    argument("--allow-host", action="append", default=[], metavar="NAME", help="another host name of the page"),
    THREADS,
    argument("--seconds", type=float, default=120, metavar="S", help="time limit per file (default 120)"),
    argument("--megabytes", type=int, default=40, metavar="M", help="size limit per file (default 40)"),
    PLUGIN,
    examples="""serve
    serve results/demo/simulated/patient/small_resnet/seed-0/model""",
)
def serve(args: Arguments) -> None:
    """Serve a local web page that predicts dropped files. For research only, not for diagnosis."""
    from ecgpipe.config.box import BOX_FOLDER
    from ecgpipe.gpus import reserve_gpus

    args.model = args.model or BOX_FOLDER
    _read_model(args)

    with reserve_gpus(1, wait=False):  # before the model's process starts, which inherits it
        _serve(args)


def _serve(args: Arguments) -> None:
    from ecgpipe.serve.network import is_loopback
    from ecgpipe.serve.server import LocalPage

    page = LocalPage(
        args.model,
        args.host,
        args.port,
        args.allow_host,
        threads=args.threads,
        seconds=args.seconds,
        max_bytes=args.megabytes * 10**6,
        plugin=args.plugin,
    )
    if not is_loopback(args.host):
        print(
            "ecgpipe: the page has no password and no encryption: anyone who can reach this address can use it, and "
            "others on the network can read the files. Put it behind a server that has both, or use the default --host",
            file=sys.stderr,
        )
    if page.for_phones:
        print(f"On a phone in the same network open {' or '.join(page.for_phones)}")
    print(f"Open {page.address}; end with Ctrl-C. For research only, not for diagnosis.", flush=True)
    page.run()
