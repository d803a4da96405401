"""How exactly pages are digitized, by the definitions of the PhysioNet Challenge 2024 and of the Kaggle competition.

    python -m benchmarks.digitize FOLDER [--weights FILE] [--limit N] [--columns 4]

FOLDER contains pairs of NAME.png (or .jpg) and NAME.npy, int16 (5000, 12), microvolts at 500 Hz: leads I, II, III, aVR,
aVL, aVF, V1 to V6. The pages show 10 s in columns; a lead's part of its column is compared.

Challenge: each lead is shifted by at most 0.5 s and 1 mV for the best fit; 10 log10 of signal power to error power,
mean over leads and pages; a missing lead counts 0. Kaggle: powers are summed over the leads of a page, the ratio is at
most 384; 10 log10 of the mean ratio.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from ecgpipe.errors import DataError
from ecgpipe.reader.digitize import digitize
from ecgpipe.reader.read import WEIGHTS, load_reader

RATE = 500
MOST_SHIFT, MOST_OFFSET = 0.5, 1.0  # s and mV
MOST_RATIO = 384.0


def aligned(true: np.ndarray, found: np.ndarray) -> tuple[float, float, float]:
    """Signal power, error power and correlation at the best shift of ``found``, both (n,) mV; NaN counts as 0."""
    true = true - true.mean()
    best = (float(np.sum(true**2)), float(np.sum(true**2)), 0.0)
    for shift in range(-round(MOST_SHIFT * RATE), round(MOST_SHIFT * RATE) + 1):
        moved = np.full_like(true, np.nan)
        low, high = max(shift, 0), min(len(true), len(found) + shift)
        if high <= low:
            continue
        moved[low:high] = found[low - shift : high - shift]
        known = ~np.isnan(moved)
        if known.sum() < len(true) / 2:
            continue
        offset = np.clip(np.mean(true[known] - moved[known]), -MOST_OFFSET, MOST_OFFSET)
        error = float(np.sum((true - np.where(known, moved + offset, 0)) ** 2))
        if error < best[1]:
            best = best[0], error, float(np.corrcoef(true[known], moved[known])[0, 1])
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--columns", type=int, default=4, help="columns of the pages (default 4)")
    args = parser.parse_args()
    net = load_reader(args.weights)
    challenge, kaggle, correlations, errors, refused, seconds = [], [], [], [], 0, []
    for file in sorted(args.folder.glob("*.npy"))[: args.limit]:
        true = np.load(file).T / 1000.0
        picture = cv2.imread(str(next(p for p in file.parent.glob(f"{file.stem}.*") if p.suffix != ".npy")))
        start = time.process_time()
        try:
            recording = digitize(np.ascontiguousarray(picture[..., ::-1]), net, RATE)
            signal = recording.signal
        except DataError as error:
            print(f"{file.stem}: {error}")
            refused += 1
            signal = np.full((12, 5000), np.nan)
        seconds.append(time.process_time() - start)
        part, rows = 5000 // args.columns, 12 // args.columns
        powers, ratios = [], []
        for lead in range(12):
            column = lead // rows
            here = slice(column * part, (column + 1) * part)
            found = signal[lead, max(here.start - 250, 0) : here.stop + 250]
            shift = here.start - max(here.start - 250, 0)
            own = np.full(part + 500, np.nan)
            own[250 - shift : 250 - shift + len(found)] = found
            power, error, correlation = aligned(true[lead, here], own[250 : 250 + part])
            powers.append((power, error))
            ratios.append(10 * np.log10(power / error))
            correlations.append(correlation)
            errors.append(np.sqrt(error / part))
        challenge.append(np.mean(ratios))
        total, error = np.sum(powers, axis=0)
        kaggle.append(min(total / error, MOST_RATIO))
        print(f"{file.stem}: {challenge[-1]:.1f} dB, worst lead {min(ratios):.1f} dB, {seconds[-1]:.2f} s", flush=True)
    rng = np.random.default_rng(0)
    low, high = np.percentile([np.mean(rng.choice(challenge, len(challenge))) for _ in range(2000)], [2.5, 97.5])
    print(f"{len(challenge)} pages, {refused} refused, {np.mean(seconds):.2f} s a page")
    decibels = 10 * np.log10(np.mean(kaggle))
    print(f"Challenge: {np.mean(challenge):.1f} dB ({low:.1f} to {high:.1f}); Kaggle: {decibels:.1f} dB")
    print(f"correlation {np.mean(correlations):.3f}, RMSE {np.mean(errors):.4f} mV")


if __name__ == "__main__":
    main()
