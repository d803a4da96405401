"""Predictions: predict, serve."""

import json
import sys
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from ecgpipe.cli.models import PLUGIN, THREADS, read_model
from ecgpipe.cli.pages import READING, reading_options
from ecgpipe.cli.parser import Arguments, PageErrors, argument, command, positive, until_error
from ecgpipe.cli.read import SCALES, numbers_in_range
from ecgpipe.errors import ConfigError, DataError, EcgpipeError

if TYPE_CHECKING:
    from ecgpipe.artifacts.model_folder import SavedModel
    from ecgpipe.artifacts.recording_model import RecordingModel

CAM_METHODS = ("gradcam", "gradcam++", "layercam", "eigencam", "integrated-gradients")
MODEL_FILES = ("config.json", "weights.safetensors", "run.json")
"""A folder with one of these files is a model, possibly an incomplete one."""


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
    *READING,
    PLUGIN,
    THREADS,
    argument("--json", action="store_true", help="print JSON (docs/predict.md)"),
    examples="""predict photo.jpg scan.pdf --cam overlays    # the built-in model
    predict results/demo/simulated/patient/small_resnet/seed-0/model photo.jpg
    predict records100/00000/00001_lr --json
    predict fast.jpg --speed 50""",
)
def predict(args: Arguments) -> None:
    """Predict photos, scans, PDF pages and WFDB records with the built-in or a saved model. Research only."""
    from ecgpipe.artifacts.page_files import find_files, is_record
    from ecgpipe.artifacts.suffixes import PICTURES
    from ecgpipe.artifacts.wfdb_header import RECORD_SUFFIXES
    from ecgpipe.config.box import BOX_FOLDER
    from ecgpipe.gpus import reserve_gpus

    first = args.files[0]
    if first.is_dir() and any((first / name).exists() for name in MODEL_FILES):
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
    files: dict[Path, None] = {}
    missing = []
    for path in args.files:
        try:
            found = find_files([path], PICTURES | {".hea"})
            if (note := found.note()) and not args.quiet:
                print(f"ecgpipe: note: {note}", file=sys.stderr)
            for file in found.files:
                if file.exists():
                    files[file] = None
                else:  # a link to nothing in a folder does not stop the folder's other files
                    missing.append(DataError(f"{file}: no such file or record; check the name"))
        except DataError as error:
            missing.append(error)
    if not files and not args.json:
        raise EcgpipeError("; ".join(map(str, missing)))
    with reserve_gpus(_gpus_of(saved), wait=False):  # a run may keep its GPU for hours
        _predict(args, list(files), missing, scales)


def _is_of_recordings(saved: "SavedModel | RecordingModel") -> bool:
    from ecgpipe.artifacts.recording_model import RecordingModel

    return isinstance(saved, RecordingModel)


def _gpus_of(saved: "SavedModel | RecordingModel") -> int:
    """GPUs that a model uses: none if it is a signal model, so that a run can have them."""
    return 0 if _is_of_recordings(saved) else 1


def _predict(args: Arguments, files: list[Path], missing: list[DataError], scales: dict[str, float]) -> None:
    from tqdm import tqdm

    from ecgpipe.predict import NOTICE, load_predictor
    from ecgpipe.predict.output import OverlayFolder, describe_calibration, format_prediction
    from ecgpipe.progress import progress

    predictor = load_predictor(args.model, threads=args.threads, plugin=args.plugin)
    reading = reading_options(args)
    reader = predictor.reader(layout=args.layout, derive_leads=args.derive_leads or None, reading=reading, **scales)
    overlays = OverlayFolder(predictor, args.cam, args.cam_method, args.cam_class) if args.cam else None
    predictions, errors = [], PageErrors(args.verbose)
    for error in missing:
        errors.add(error, "")
    for path in progress(files, "predict", unit="files"):
        for page in until_error(reader.read(path)):
            try:
                if isinstance(page, Exception):
                    raise page
                (prediction,) = predictor.predict([page])
                row = prediction.to_dict()
                if overlays is not None:
                    row["overlay"] = overlays.write(page, prediction)
            except Exception as error:
                errors.add(error, path if isinstance(page, Exception) else page.name)
                continue
            predictions.append(row)
            if not args.json:
                tqdm.write(format_prediction(prediction, predictor.description), file=sys.stdout)
                if overlays is not None:
                    tqdm.write(f"  overlay: {row['overlay']}", file=sys.stdout)
    if args.json:
        document = {
            "notice": NOTICE,
            "model": predictor.description,
            "predictions": predictions,
            "errors": errors.lines,
        }
        print(json.dumps(document, indent=1, allow_nan=False))
    elif predictions:
        print(f"\n{describe_calibration(predictor.saved)}\n{NOTICE}")
    if errors.lines:
        raise EcgpipeError(f"inputs that could not be used: {len(errors.lines)}; pages predicted: {len(predictions)}")


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
