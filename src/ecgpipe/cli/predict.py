"""Predictions: predict, serve."""

import json
import sys
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgpipe.cli.batch import Batch, counted
from ecgpipe.cli.models import PLUGIN, THREADS, read_model
from ecgpipe.cli.pages import READING, reading_options
from ecgpipe.cli.parser import Arguments, argument, command, positive
from ecgpipe.cli.read import LAYOUTS, SCALES, further_layouts, numbers_in_range
from ecgpipe.errors import ConfigError, DataError, EcgpipeError

if TYPE_CHECKING:
    from ecgpipe.artifacts.model_folder import SavedModel
    from ecgpipe.artifacts.recording_model import RecordingModel

CAM_METHODS = ("gradcam", "gradcam++", "layercam", "eigencam", "integrated-gradients")
MODEL_FILES = ("weights.safetensors", "run.json")
"""A folder with one of these files is a model, possibly an incomplete one."""
MODEL_FORMATS = ("ecgpipe-model", "ecgpipe-recording-model")


@command(
    argument(
        "files",
        type=Path,
        nargs="+",
        metavar="[MODEL_DIR] FILE",
        help="photos, scans, PDF or DICOM files, WFDB records (with or without .hea), or folders of these; "
        "to use a saved model instead of the built-in one, name its folder first (RUN_DIR/model)",
    ),
    argument("--cam", type=Path, metavar="DIR", help="write saliency overlays to DIR"),
    argument(
        "--cam-method",
        choices=CAM_METHODS,
        help="default: gradcam, or integrated-gradients for a model without feature maps, such as the built-in model",
    ),
    argument("--cam-class", metavar="CLASS", help="class of the overlays (default: the most probable class)"),
    argument("--layout", metavar="NAME", help="draw records in this layout, not that of training"),
    *SCALES,
    LAYOUTS,
    *READING,
    PLUGIN,
    THREADS,
    argument("--csv", type=Path, metavar="FILE", help="also write a table, one row per page (docs/predict.md)"),
    argument("--json", action="store_true", help="print JSON (docs/predict.md)"),
    examples="""predict photo.jpg scan.pdf --cam overlays    # the built-in model
    predict results/demo/simulated/patient/small_resnet/seed-0/model photo.jpg
    predict records100/00000/00001_lr --json
    predict fast.jpg --speed 50
    predict scans/ --csv study.csv""",
)
def predict(args: Arguments) -> None:
    """Predict photos, scans, PDF pages and WFDB records with the built-in or a saved model. Research only."""
    from ecgpipe.artifacts.files import check_writable
    from ecgpipe.artifacts.page_files import is_record
    from ecgpipe.artifacts.suffixes import PICTURES
    from ecgpipe.artifacts.wfdb_header import RECORD_SUFFIXES
    from ecgpipe.config.box import BOX_FOLDER
    from ecgpipe.gpus import reserve_gpus

    first = args.files[0]
    if _is_model(first):
        args.model, args.files = first, args.files[1:]
        if not args.files:
            raise ConfigError(f"{first}: a saved model; name the pages to predict after it")
    else:
        args.model = BOX_FOLDER
        named_as_page = first.suffix.lower() in PICTURES | RECORD_SUFFIXES  # a missing one does not stop the others
        if not (named_as_page or first.exists() or is_record(first)):
            raise DataError(f"{first}: no such model folder, file or record; check the name")
    saved = read_model(args)
    if args.cam_class is not None and args.cam_class not in saved.classes:
        raise ConfigError(f"--cam-class {args.cam_class!r} is not a class of this model: {', '.join(saved.classes)}")
    if args.cam is None and (args.cam_class or args.cam_method):
        raise ConfigError("--cam-class and --cam-method need --cam DIR, the folder of the overlays")
    scales = numbers_in_range(args, "speed", "gain")
    if _is_of_recordings(saved) and args.cam_method not in (None, "integrated-gradients"):
        raise ConfigError(f"--cam-method {args.cam_method}: a signal model has only integrated-gradients")
    if scales and not _is_of_recordings(saved):
        raise ConfigError("--speed and --gain are for signal models, such as the built-in model")
    _check_layouts(args, saved)
    batch = Batch(args, args.files, PICTURES | {".hea"})
    if args.cam is not None:
        check_writable(args.cam)
    if args.csv is not None:
        check_writable(args.csv.parent)
        if args.csv.is_dir() or args.csv.resolve() in {file.resolve() for file in batch.files}:
            raise ConfigError(f"--csv {args.csv}: a folder or a file to predict; give another file")
    with reserve_gpus(_gpus_of(saved), wait=False):  # a run may keep its GPU for hours
        _predict(args, batch, scales)


def _is_model(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    known = isinstance(content, dict) and content.get("format") in MODEL_FORMATS
    return known or any((folder / name).exists() for name in MODEL_FILES)


def _check_layouts(args: Arguments, saved: "SavedModel | RecordingModel") -> None:
    if args.layouts is not None and not _is_of_recordings(saved):
        raise ConfigError("--layouts is for signal models, such as the built-in model")


def _is_of_recordings(saved: "SavedModel | RecordingModel") -> bool:
    from ecgpipe.artifacts.recording_model import RecordingModel

    return isinstance(saved, RecordingModel)


def _gpus_of(saved: "SavedModel | RecordingModel") -> int:
    """GPUs that a model uses: none if it is a signal model, so that a run can have them."""
    return 0 if _is_of_recordings(saved) else 1


def _predict(args: Arguments, batch: Batch, known: dict[str, Any]) -> None:
    from ecgpipe.predict import NOTICE, InputPage, load_predictor
    from ecgpipe.predict.output import OverlayFolder, describe_calibration, format_prediction
    from ecgpipe.predict.table import table_row, write_table

    predictor = load_predictor(args.model, threads=args.threads, plugin=args.plugin)
    reading = reading_options(args)
    if args.layouts is not None:
        known = known | {"layouts": further_layouts(args.layouts)}
    reader = predictor.reader(layout=args.layout, derive_leads=args.derive_leads or None, reading=reading, **known)
    overlays = OverlayFolder(predictor, args.cam, args.cam_method, args.cam_class, batch.files) if args.cam else None
    table: list[dict[str, Any]] = []
    without_overlay = 0

    def finish(page: InputPage) -> tuple[str, dict[str, Any]]:
        nonlocal without_overlay
        (prediction,) = predictor.predict([page])
        row, text = prediction.to_dict(), format_prediction(prediction, predictor.description)
        if overlays is not None:
            try:
                row["overlay"] = overlays.write(page, prediction)
                text += f"\n  overlay: {row['overlay']}"
            except Exception as error:  # does not lose the prediction
                row["overlay"] = None
                without_overlay += 1
                batch.add_error(error, f"{page.name}: no overlay")
        table.append(table_row(prediction, predictor.description))
        return text, row

    def document() -> dict[str, Any]:
        return {
            "notice": NOTICE,
            "model": predictor.description,
            "predictions": batch.rows,
            "errors": batch.errors,
        }

    try:
        batch.run("predict", reader.read, finish, document)
    finally:  # also after Ctrl-C
        if args.csv is not None:
            write_table(args.csv, predictor.saved.classes, table, batch.failures)
    if batch.rows and not args.json:
        print(f"\n{describe_calibration(predictor.saved)}\n{NOTICE}")
    if batch.errors:
        count = len(batch.failures)
        failed = f"{counted(count, 'file')} or {'page' if count == 1 else 'pages'} failed"
        lost = f"{counted(without_overlay, 'overlay')} failed"
        problems = [text for text, number in ((failed, count), (lost, without_overlay)) if number]
        raise EcgpipeError(f"{counted(len(batch.rows), 'page')} predicted, {', '.join(problems)} (listed above)")


@command(
    argument(
        "model",
        type=Path,
        nargs="?",
        metavar="MODEL_DIR",
        help="folder of a saved model (RUN_DIR/model); default: the built-in model",
    ),
    argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: this machine only)"),
    argument("--port", type=int, default=8765, help="port; 0 selects a free one (default 8765)"),
    argument("--allow-host", action="append", default=[], metavar="NAME", help="accept another host name"),
    THREADS,
    argument("--seconds", type=float, default=120, metavar="S", help="time limit per file (default 120)"),
    argument("--megabytes", type=positive, default=40, metavar="M", help="size limit per file (default 40)"),
    LAYOUTS,
    PLUGIN,
    examples="""serve
    serve results/demo/simulated/patient/small_resnet/seed-0/model""",
)
def serve(args: Arguments) -> None:
    """Serve a local web page that predicts dropped files. For research only, not for diagnosis."""
    from ecgpipe.config.box import BOX_FOLDER
    from ecgpipe.gpus import reserve_gpus

    if not 0 < args.seconds < inf:
        raise ConfigError(f"--seconds {args.seconds:g}: give a number above 0")
    args.model = args.model or BOX_FOLDER
    saved = read_model(args)
    _check_layouts(args, saved)
    with reserve_gpus(_gpus_of(saved), wait=False):  # before the model's process starts, which inherits it
        _serve(args)


def _serve(args: Arguments) -> None:
    from ecgpipe.serve.server import LocalPage, is_loopback

    page = LocalPage(
        args.model,
        args.host,
        args.port,
        args.allow_host,
        threads=args.threads,
        seconds=args.seconds,
        max_bytes=args.megabytes * 10**6,
        plugin=args.plugin,
        layouts=args.layouts,
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
    with suppress(KeyboardInterrupt):  # Ctrl-C is the usual end
        page.run()
