"""The built-in model on pictures: what it refuses or marks as unusual, and how long an answer takes.

    python -m benchmarks.built_in_model [PICTURE_OR_FOLDER ...] [--other 300] [--first 2000] [--sheet DIR]

For the given pictures of ECG pages: one line each with the answer, and with --sheet the page with the overlay of its
most probable class. --other N draws N pictures without an ECG (``benchmarks.other_pictures``), numbered from --first.
The time of a page is CPU time of one thread; that of a new process up to its first answer is elapsed time.
"""

import argparse
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from benchmarks.other_pictures import draw_other_picture
from ecgpipe.artifacts.page_files import find_files
from ecgpipe.artifacts.suffixes import PICTURES
from ecgpipe.errors import DataError
from ecgpipe.predict import InputPage, Prediction, RecordingPredictor, load_predictor
from ecgpipe.predict.explanation import read_in_words
from ecgpipe.progress import progress


def answer(predictor: RecordingPredictor, page: InputPage | DataError) -> tuple[str, Prediction | None]:
    """refused, unusual or answered, and the prediction; None if refused."""
    if isinstance(page, DataError):
        return "refused", None
    (prediction,) = predictor.predict([page])
    return "unusual" if prediction.ood is not None and prediction.ood.unusual else "answered", prediction


def other_pictures(predictor: RecordingPredictor, seeds: range) -> None:
    """Print the outcome of pictures without an ECG, by kind."""
    counts: dict[str, Counter] = {}
    for seed in progress(seeds, "other pictures"):
        kind, picture = draw_other_picture(seed)
        content = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
        for page in predictor.reader().read_content(content, f"{seed}.png"):
            counts.setdefault(kind, Counter())[answer(predictor, page)[0]] += 1
    for kind, of_kind in counts.items():
        print(f"{kind:<14}" + "  ".join(f"{name} {of_kind[name]:3}" for name in ("refused", "unusual", "answered")))
    answered = sum(each["answered"] for each in counts.values())
    print(f"pictures without an ECG that get a usual answer: {answered} of {len(seeds)}")


def pictures(predictor: RecordingPredictor, files: list[Path], sheet: Path | None) -> None:
    """Print the answers to pictures of ECG pages, and write their overlays to the folder ``sheet``."""
    outcomes: Counter = Counter()
    seconds = []
    for file in files:
        started = time.process_time()
        for page in predictor.reader().read(file):
            outcome, prediction = answer(predictor, page)
            outcomes[outcome] += 1
            if isinstance(page, DataError) or prediction is None:
                print(page)
                continue
            seconds.append(time.process_time() - started)
            pairs = zip(prediction.classes, prediction.probabilities, strict=True)
            shares = ", ".join(f"{label} {probability:.0%}" for label, probability in pairs)
            read = ", ".join(text for _, text in read_in_words(prediction.read)) if prediction.read else ""
            score = prediction.ood.score if prediction.ood else np.nan
            print(f"{Path(page.name).name}: {shares}; {read}; {outcome} ({score:.2f})")
            if sheet is not None:
                sheet.mkdir(parents=True, exist_ok=True)
                marked = predictor.overlay(page, prediction.top)
                cv2.imwrite(str(sheet / f"{file.stem}.jpg"), cv2.cvtColor(marked, cv2.COLOR_RGB2BGR))
    print(", ".join(f"{name}: {count}" for name, count in outcomes.items()))
    print(f"{np.median(seconds):.2f} s a page (median), at most {max(seconds):.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", metavar="PICTURE_OR_FOLDER")
    parser.add_argument("--other", type=int, default=300)
    parser.add_argument("--first", type=int, default=2000)
    parser.add_argument("--sheet", type=Path)
    args = parser.parse_args()
    predictor = load_predictor(threads=1)
    assert isinstance(predictor, RecordingPredictor)
    if args.files:
        found = find_files(args.files, PICTURES).files
        pictures(predictor, found, args.sheet)
        started = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "ecgpipe", "predict", "--threads", "1", str(found[0])], check=False,
            capture_output=True,
        )  # fmt: skip
        print(f"{time.monotonic() - started:.1f} s from the start of the process to the first answer")
    if args.other:
        other_pictures(predictor, range(args.first, args.first + args.other))


if __name__ == "__main__":
    main()
