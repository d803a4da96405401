"""ecgpipe predict"""

import argparse
from pathlib import Path

from ecgpipe.cli.command import Arguments, Command
from ecgpipe.errors import DataError, EcgpipeError

METHODS = ("gradcam", "gradcam++", "layercam", "eigencam", "integrated-gradients")


def run(args: Arguments) -> None:
    """Predict photos, scans, PDF pages and WFDB records with a saved model. Research only: it is no diagnosis."""
    from ecgpipe.gpus import reserve_gpus

    with reserve_gpus(1, wait=False):  # trainings hold theirs for hours
        _predict(args)


def _predict(args: Arguments) -> None:
    import json
    import sys

    from tqdm import tqdm

    from ecgpipe.predict import NOTICE, Predictor
    from ecgpipe.predict.files import find_files
    from ecgpipe.predict.overlays import OverlayFolder
    from ecgpipe.predict.tell import about_model, told
    from ecgpipe.progress import progress

    predictor = Predictor(args.model, threads=args.threads, plugin=args.plugin)
    reader = predictor.reader(args.layout, args.derive_leads or None)
    overlays = OverlayFolder(predictor, args.cam, args.cam_method, args.cam_class) if args.cam else None
    predictions, errors, given = [], [], []

    def fail(error: Exception) -> None:
        errors.append(" ".join(str(error).split()))
        tqdm.write(f"ecgpipe: {errors[-1]}", file=sys.stderr)

    for path in args.files:
        try:
            given += find_files([path])
        except DataError as error:
            fail(error)
    for path in progress(list(dict.fromkeys(given)), "predict", unit="files"):
        for page in reader.read(path):
            if isinstance(page, DataError):
                fail(page)
                continue
            prediction = predictor.predict([page])[0]
            row = prediction.to_dict()
            if overlays is not None:
                row["overlay"] = overlays.write(page, prediction)
            predictions.append(row)
            if not args.json:
                tqdm.write(told(prediction), file=sys.stdout)
                if overlays is not None:
                    tqdm.write(f"  overlay: {row['overlay']}", file=sys.stdout)
    if args.json:
        document = {"notice": NOTICE, "model": predictor.about, "predictions": predictions, "errors": errors}
        print(json.dumps(document, indent=1, allow_nan=False))
    elif predictions:
        print(f"\n{about_model(predictor.saved)}\n{NOTICE}")
    if errors:
        pages = f"{len(predictions)} page{'' if len(predictions) == 1 else 's'}"
        were = "was" if len(predictions) == 1 else "were"
        raise EcgpipeError(f"{len(errors)} of the inputs could not be used, {pages} {were} predicted")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, what is predicted, and what is written."""
    parser.add_argument("model", type=Path, metavar="MODEL_DIR", help="folder of a saved model (RUN_DIR/model)")
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="PNG, JPEG, TIFF, BMP, WebP or PDF file, WFDB record (with or without .hea), or a folder of them",
    )
    parser.add_argument("--cam", type=Path, metavar="DIR", help="write saliency over the readable page to DIR")
    parser.add_argument("--cam-method", choices=METHODS, default="gradcam", help="default: gradcam")
    parser.add_argument("--cam-class", metavar="CLASS", help="of this class (default: the most probable one)")
    parser.add_argument("--layout", metavar="NAME", help="draw records by this layout instead of the training's")
    parser.add_argument(
        "--derive-leads",
        action="store_true",
        help="compute III, aVR, aVL and aVF from I and II where a record lacks them",
    )
    plugin = "what registers the architecture, if it is one of your own"
    parser.add_argument("--plugin", type=Path, metavar="FILE.py", help=plugin)
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads")
    parser.add_argument("--json", action="store_true", help="print JSON (docs/predict.md)")


PREDICT = Command(
    "predict",
    run,
    add_arguments,
    "predict results/demo/simulated/patient/resnet34/seed-0/model photo.jpg scan.pdf --cam overlays\n"
    "predict RUN_DIR/model records100/00000/00001_lr --json",
)
