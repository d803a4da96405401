"""How exactly pages are digitized, by the definitions of the PhysioNet Challenge 2024 and of the Kaggle competition.

    python -m benchmarks.digitize FOLDER [FOLDER ...] [--weights FILE] [--limit N] [--skip N] [--columns 4]

FOLDER contains pairs of NAME.png (or .jpg) and NAME.npy, int16 (5000, 12), microvolts at 500 Hz: leads I, II, III, aVR,
aVL, aVF, V1 to V6; -32768 where the page does not show the lead. Without such samples, the page is taken to show the
leads one after the other in columns of equal width. ``python -m benchmarks.degraded --signals`` draws such pages in any
layout. The definitions are in ``ecgpipe.reader.quality``; intervals are 95 %, bootstrap over pages.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from scipy.stats import bootstrap

from benchmarks.degraded import NOT_SHOWN
from ecgpipe.config.pages import READER_WEIGHTS
from ecgpipe.errors import DataError
from ecgpipe.reader.digitize import digitize
from ecgpipe.reader.quality import challenge_score, compare_lead, kaggle_ratio
from ecgpipe.reader.read import load_reader

RATE = 500


def shown_signal(stored: np.ndarray, columns: int) -> np.ndarray:
    """The part of each lead that the page shows, (12, samples), mV; NaN elsewhere."""
    true = np.where(stored == NOT_SHOWN, np.nan, stored / 1000.0).T
    if not np.isnan(true).any():
        part, rows = true.shape[1] // columns, len(true) // columns
        for lead in range(len(true)):
            first = lead // rows * part
            true[lead, :first] = true[lead, first + part :] = np.nan
    return true


def decibels(ratios: np.ndarray, axis: int | None = None) -> np.ndarray:
    """10 log10 of the mean."""
    return 10 * np.log10(np.mean(ratios, axis=axis))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--weights", type=Path, default=READER_WEIGHTS)
    parser.add_argument("--limit", type=int, help="read at most this many pages")
    parser.add_argument("--skip", type=int, default=0, help="skip this many pages first")
    parser.add_argument("--columns", type=int, default=4, help="columns of the pages (default 4)")
    args = parser.parse_args()
    net = load_reader(args.weights)
    challenge, kaggle, correlations, errors, refused, seconds = [], [], [], [], 0, []
    files = [file for folder in args.folders for file in sorted(folder.glob("*.npy"))]
    for file in files[args.skip :][: args.limit]:
        true = shown_signal(np.load(file), args.columns)
        picture = cv2.imread(str(next(p for p in file.parent.glob(f"{file.stem}.*") if p.suffix != ".npy")))
        start = time.process_time()
        try:
            signal = digitize(np.ascontiguousarray(picture[..., ::-1]), net, RATE).signal
        except DataError as error:
            print(f"{file.stem}: {error}")
            refused += 1
            signal = np.full(true.shape, np.nan)
        seconds.append(time.process_time() - start)
        # a constant lead has no signal-to-noise ratio
        pairs = [pair for pair in zip(true, signal, strict=True) if np.nanmax(pair[0]) > np.nanmin(pair[0])]
        leads = [compare_lead(*pair, RATE) for pair in pairs]
        challenge.append(challenge_score(leads))
        kaggle.append(kaggle_ratio(leads))
        correlations += [lead.correlation for lead in leads]
        errors += [lead.rmse for lead in leads]
        worst = min(lead.decibels for lead in leads)
        print(f"{file.stem}: {challenge[-1]:.1f} dB, worst lead {worst:.1f} dB, {seconds[-1]:.2f} s", flush=True)
    print(f"{len(challenge)} pages, {100 * refused / len(challenge):.0f}% refused, {np.mean(seconds):.2f} s a page")
    for name, values, figure in (("Challenge", challenge, np.mean), ("Kaggle", kaggle, decibels)):
        interval = bootstrap((values,), figure, method="percentile", rng=0).confidence_interval
        print(f"{name}: {figure(values):.1f} dB ({interval.low:.1f} to {interval.high:.1f})")
    print(f"correlation {np.mean(correlations):.3f}, RMSE {np.mean(errors):.4f} mV")


if __name__ == "__main__":
    main()
