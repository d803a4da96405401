"""Intervals and the ST level measured on digitized pages, against those of the recordings themselves.

    pip install neurokit2
    python -m benchmarks.digitize_intervals FOLDER [--records 60] [--lead II] [--level none scan photo] [--layout kit]
        [--figure FILE.svg]

Draws the WFDB records below FOLDER, digitizes the pages, and measures both in one lead, of which the layout must show
10 s: medians over the beats of PR, QRS and QT (ms), and of the ST level 60 ms after the J point (mV, relative to 20 ms
before QRS), with neurokit2's wavelet delineation (Martinez et al. 2004). Prints the mean difference, the limits of
agreement (Bland and Altman 1986: mean and 1.96 standard deviations) and the correlation.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.degraded import degraded_pages
from ecgpipe.artifacts.signals import LEADS, read_signal
from ecgpipe.config.pages import DEGRADE_LEVELS, DegradeConfig, RenderConfig
from ecgpipe.errors import DataError
from ecgpipe.progress import progress
from ecgpipe.reader.digitize import digitize
from ecgpipe.reader.read import load_reader

try:
    import neurokit2
except ImportError:
    raise SystemExit("this benchmark requires neurokit2: pip install neurokit2") from None

RATE = 500
QUANTITIES = {"PR": "ms", "QRS": "ms", "QT": "ms", "ST": "mV"}
LEAST_BEATS = 3
AFTER_J, BEFORE_QRS = 0.06, 0.02  # s


def measure(lead: np.ndarray) -> dict[str, float]:
    """Medians over the beats of a lead (samples,) at 500 Hz; NaN where too few beats were delineated."""
    nothing = dict.fromkeys(QUANTITIES, np.nan)
    known = np.flatnonzero(~np.isnan(lead))
    if len(known) < 5 * RATE:
        return nothing
    signal = np.interp(np.arange(known[0], known[-1] + 1), known, lead[known])
    try:
        cleaned = neurokit2.ecg_clean(signal, RATE)
        _, peaks = neurokit2.ecg_peaks(cleaned, RATE)
        _, waves = neurokit2.ecg_delineate(cleaned, peaks, RATE, method="dwt")
    except (ValueError, IndexError, ZeroDivisionError):  # too few beats for the library
        return nothing
    p, start, end, t = (
        np.array(waves[f"ECG_{name}"], float) for name in ("P_Onsets", "R_Onsets", "R_Offsets", "T_Offsets")
    )
    level = np.full(len(start), np.nan)
    for beat in np.flatnonzero(~np.isnan(start + end)):
        after, before = int(end[beat] + AFTER_J * RATE), int(start[beat] - BEFORE_QRS * RATE)
        if before >= 0 and after < len(signal):
            level[beat] = signal[after] - signal[before]
    beats = {"PR": (start - p) / RATE * 1000, "QRS": (end - start) / RATE * 1000, "QT": (t - start) / RATE * 1000}
    return {
        name: float(np.nanmedian(values)) if (~np.isnan(values)).sum() >= LEAST_BEATS else np.nan
        for name, values in (beats | {"ST": level}).items()
    }


def compare(records: list[Path], lead: int, config: RenderConfig) -> tuple[dict[str, np.ndarray], int]:
    """Quantity -> (n, 2), of the recording and of the digitized page; and the number of refused pages."""
    net, rows, refused = load_reader(), [], 0
    pages = progress(zip(records, degraded_pages(records, config), strict=True), config.degrade.level, len(records))
    for path, page in pages:
        signal, rate = read_signal(path, path.name)
        if rate != RATE:
            raise SystemExit(f"{path}: {rate:g} Hz; this benchmark compares recordings at {RATE} Hz")
        try:
            found = digitize(np.ascontiguousarray(page.image), net, RATE).signal[lead]
        except DataError:
            refused += 1
            continue
        rows.append((measure(signal[lead]), measure(found)))
    return {name: np.array([[pair[side][name] for side in (0, 1)] for pair in rows]) for name in QUANTITIES}, refused


def draw(found: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """A Bland-Altman plot per quantity and level."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(found), len(QUANTITIES), figsize=(11, 2.6 * len(found)), squeeze=False)
    for row, (level, pairs) in zip(axes, found.items(), strict=True):
        for axis, (name, unit) in zip(row, QUANTITIES.items(), strict=True):
            both = pairs[name][~np.isnan(pairs[name]).any(axis=1)]
            difference = both[:, 1] - both[:, 0]
            axis.plot(both.mean(axis=1), difference, ".", markersize=4, alpha=0.6)
            for at in difference.mean() + 1.96 * difference.std(ddof=1) * np.array([-1, 0, 1]):
                axis.axhline(at, linewidth=0.8, linestyle="-" if at == difference.mean() else "--", color="black")
            axis.set_title(f"{name}, {level}", fontsize=9)
            axis.set_xlabel(f"mean, {unit}", fontsize=8)
            axis.set_ylabel(f"page - recording, {unit}", fontsize=8)
            axis.tick_params(labelsize=7)
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=60)
    parser.add_argument("--lead", default="II", choices=LEADS)
    parser.add_argument("--level", nargs="+", default=["none", "scan", "photo"], choices=DEGRADE_LEVELS)
    parser.add_argument("--layout", default="kit")
    parser.add_argument("--figure", type=Path)
    args = parser.parse_args()
    files = sorted(args.folder.rglob("*_hr.hea")) or sorted(args.folder.rglob("*.hea"))
    records = [path.with_suffix("") for path in files][: args.records]
    found = {}
    print("level  quantity     n  mean difference  limits of agreement   correlation")
    for level in args.level:
        config = RenderConfig(layout=args.layout, degrade=DegradeConfig(level=level, seed=11))
        found[level], refused = compare(records, LEADS.index(args.lead), config)
        for name, unit in QUANTITIES.items():
            both = found[level][name][~np.isnan(found[level][name]).any(axis=1)]
            if len(both) < 3:
                print(f"{level:6} {name:9} {len(both):4}  too few")
                continue
            difference = both[:, 1] - both[:, 0]
            low, high = difference.mean() + 1.96 * difference.std(ddof=1) * np.array([-1, 1])
            print(
                f"{level:6} {name:3} ({unit})  {len(both):4}  {difference.mean():15.3f}  {low:8.3f} to {high:8.3f}"
                f"  {np.corrcoef(both.T)[0, 1]:10.3f}"
            )
        print(f"{level:6} refused: {refused} of {len(records)} pages")
    if args.figure:
        draw(found, args.figure)


if __name__ == "__main__":
    main()
