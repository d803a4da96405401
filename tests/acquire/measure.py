"""Measures beats, intervals and textbook criteria of an ECG from its samples alone.

Beats come from WFDB's detector, everything else from the median beat. As a script it counts how many simulated and
real records with a finding, and how many normal ones, meet its criterion:

    python -m tests.acquire.measure --records 100 --real PTBXL
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import wfdb
from scipy.signal import butter, find_peaks, sosfiltfilt
from wfdb.processing import xqrs_detect

from ecgpipe.acquire.simulate.findings import Finding
from ecgpipe.acquire.simulate.patient import LEADS
from ecgpipe.acquire.simulate.record import SimulatedRecord, simulate_rates, simulate_record

RATE = 500
BEFORE = 200  # samples of the median beat before the fiducial point, 0.4 s
CLASSES = (("NORM",), ("MI",), ("STTC",), ("CD",), ("HYP",), ("MI", "STTC", "CD", "HYP"), ())
ROW = {name: row for row, name in enumerate(LEADS)}


@dataclass(frozen=True)
class Measured:
    """A median beat against its PR level and what was measured on it.

    Attributes:
        beat: (12, samples) mV at 500 Hz. onset, offset: of QRS, samples. cycle: seconds.
        pr, qrs, qt: seconds.
    """

    beat: np.ndarray
    onset: int
    offset: int
    cycle: float
    pr: float
    qrs: float
    qt: float

    def lead(self, name: str) -> np.ndarray:
        """One lead, mV."""
        return self.beat[ROW[name]]

    def complex(self, name: str) -> np.ndarray:
        """One lead's QRS, mV."""
        return self.lead(name)[self.onset : self.offset]

    def st(self, name: str) -> float:
        """mV, 40 ms after the J point."""
        return float(self.lead(name)[self.offset + 15 : self.offset + 25].mean())

    def q(self, name: str) -> tuple[float, float]:
        """Width (s) and depth (mV) of a negative wave that begins the QRS; zeros where an r of 0.05 mV comes first."""
        wave = self.complex(name)
        below = np.flatnonzero(wave < -0.03)
        if not len(below) or wave[: below[0]].max(initial=0) > 0.05:
            return 0.0, 0.0
        end = below[0] + int(np.argmax(np.append(wave[below[0] :] > -0.03, True)))
        return (end - below[0]) / RATE, float(-wave[below[0] : end].min())

    def axis(self) -> float:
        """The frontal axis from net areas in I and aVF, degrees."""
        return float(np.rad2deg(np.arctan2(2 / np.sqrt(3) * self.complex("AVF").sum(), self.complex("I").sum())))

    def sokolow_lyon(self) -> float:
        """mV."""
        return float(-self.complex("V1").min() + max(self.complex("V5").max(), self.complex("V6").max()))


def detect(signal: np.ndarray, rate: int) -> np.ndarray:
    """QRS times in seconds by WFDB's ``xqrs`` on the lead with the largest swing between 10 and 30 Hz; on the next
    if its learning fails and it finds almost no beats."""
    swings = np.ptp(sosfiltfilt(butter(2, (10, 30), "band", fs=rate, output="sos"), signal), axis=1)
    for lead in np.argsort(-swings)[:6]:
        found = xqrs_detect(signal[lead], fs=rate, verbose=False) / rate
        if len(found) >= 5:
            break
    return found


def peaks(signal: np.ndarray, rate: int) -> np.ndarray:
    """QRS times in seconds by SciPy alone: crests of the slope over all leads."""
    slope = np.gradient(sosfiltfilt(butter(2, (5, 30), "band", fs=rate, output="sos"), signal), axis=1)
    size = np.convolve(np.sqrt((slope**2).sum(axis=0)), np.ones(round(0.08 * rate)), "same")
    crests, _ = find_peaks(size, height=0.35 * np.quantile(size, 0.98), distance=round(0.25 * rate))
    return crests / rate


def detection(detector: Callable[[np.ndarray, int], np.ndarray], rate: int, records: int) -> tuple[float, float]:
    """Sensitivity and positive predictivity of a detector on simulated records of all classes, rhythms and ectopics.

    A beat counts as found within 150 ms (ANSI/AAMI EC57). The first 0.5 s, in which a detector learns, and the last
    0.3 s, in which a beat may be cut, do not count.
    """
    hits = misses = false = 0
    for seed in range(records):
        record = simulate_rates(np.random.default_rng(seed), CLASSES[seed % len(CLASSES)], (rate,))[rate]
        true = record.truth.beats["r_peak"]
        found = detector(record.signal, rate)
        near = np.abs(found[:, None] - true) < 0.15
        inner, inner_found = (true > 0.5) & (true < 9.7), (found > 0.5) & (found < 9.7)
        hits += int(near.any(axis=0)[inner].sum())
        misses += int((~near.any(axis=0))[inner].sum())
        false += int((~near.any(axis=1))[inner_found].sum())
    return hits / (hits + misses), hits / (hits + false)


def measure(signal: np.ndarray) -> Measured:
    """Measure a (12, samples) noisy signal in mV at 500 Hz."""
    slow = sosfiltfilt(butter(2, 40, fs=RATE, output="sos"), signal)
    beats = np.round(detect(signal, RATE) * RATE).astype(int)
    cycle = float(np.median(np.diff(beats))) / RATE
    beats = _aligned(slow, beats[(beats > BEFORE + 40) & (beats < signal.shape[1] - 360)])
    median = np.median([slow[:, beat - BEFORE : beat + 320] for beat in beats], axis=0)
    slope = np.sqrt((np.gradient(median, axis=1) ** 2).sum(axis=0))
    onset, offset = _qrs(slope)
    median -= median[:, onset - 8 : onset - 3].mean(axis=1, keepdims=True)
    return Measured(
        median, onset, offset, cycle, _pr(median, onset), (offset - onset) / RATE, _qt(median, onset, offset, cycle)
    )


def _aligned(signal: np.ndarray, beats: np.ndarray) -> np.ndarray:
    """The beats shifted to the best fit with their median, without those that do not fit."""
    for _ in range(2):
        template = np.median([signal[:, beat - 40 : beat + 40] for beat in beats], axis=0)
        shifts = range(-15, 16)
        fits = [[np.square(signal[:, b + s - 40 : b + s + 40] - template).sum() for s in shifts] for b in beats]
        beats = beats + np.array(shifts)[np.argmin(fits, axis=1)]
    misfit = np.min(fits, axis=1)
    return beats[misfit < 6 * np.median(misfit) + 0.02 * np.square(template).sum()]


def _qrs(slope: np.ndarray) -> tuple[int, int]:
    """Onset and offset: samples around the fiducial point steeper than 9% of the maximum and four times the median
    slope, without a gap of 24 ms."""
    first = BEFORE - 70
    part = slope[first : BEFORE + 90]
    steep = np.flatnonzero(part > max(0.09 * part.max(), 4 * np.median(slope)))
    group = np.cumsum(np.diff(steep, prepend=steep[0]) > 12)
    members = steep[group == group[np.searchsorted(steep, np.argmax(part))]]
    return first + int(members[0]), first + int(members[-1])


def _pr(median: np.ndarray, onset: int) -> float:
    """From the onset of the P wave (tangent method on its height over the line between the ends of the window)."""
    size = np.linalg.norm(median[:, 30 : onset - 5], axis=0)
    size = size - np.linspace(size[:10].min(), size[-5:].min(), len(size))
    peak = int(np.argmax(size))
    rise = np.gradient(size[: peak + 1]) if peak > 3 else np.array([1.0])
    steepest = int(np.argmax(rise))
    start = steepest - size[steepest] / max(rise[steepest], 1e-9)
    return (onset - 30 - start) / RATE


def _qt(median: np.ndarray, onset: int, offset: int, cycle: float) -> float:
    """To the intersection of the steepest tangent of the T wave's end with the baseline, in the lead with the largest
    T; its peak is expected up to half the square root of the cycle after the onset."""
    within = round(0.5 * np.sqrt(cycle) * RATE) - 40 - (offset - onset)
    t_waves = median[:, offset + 40 : 515]
    t_wave = t_waves[np.argmax(np.ptp(t_waves[:, :within], axis=1))]
    t_wave = t_wave * np.sign(t_wave[np.argmax(np.abs(t_wave[:within]))])
    peak = int(np.argmax(t_wave[:within]))
    fall = np.gradient(t_wave[peak : peak + 90])
    steepest = int(np.argmin(fall))
    base = t_wave[peak : peak + 110].min()
    end = peak + steepest + (t_wave[peak + steepest] - base) / max(-fall[steepest], 1e-9)
    return (offset + 40 + end - onset) / RATE


def raised(m: Measured, leads: tuple[str, ...]) -> bool:
    """ST elevation in two of ``leads``: 0.1 mV, and 0.2 mV in V2 and V3 (fourth universal definition)."""
    return sum(m.st(name) >= (0.2 if name in ("V2", "V3") else 0.1) for name in leads) >= 2


def has_q(m: Measured, leads: tuple[str, ...]) -> bool:
    """A Q of 30 ms and 0.1 mV in two of ``leads``; in V2 and V3 one of 20 ms (fourth universal definition)."""
    limits = {"V2": 0.02, "V3": 0.02}
    return sum(m.q(name)[0] >= limits.get(name, 0.028) and m.q(name)[1] >= 0.1 for name in leads) >= 2


def depressed(m: Measured, leads: tuple[str, ...]) -> bool:
    """ST depression of 0.05 mV and a flat or negative T in two of ``leads``."""
    late = slice(m.offset + 60, m.onset + 190)
    return sum(m.st(name) <= -0.05 and m.lead(name)[late].min() < -0.05 for name in leads) >= 2


def right_block(m: Measured) -> bool:
    """QRS of 118 ms, late R in V1, late S in V6."""
    late = slice(m.offset - 28, m.offset)
    return m.qrs >= 0.118 and m.lead("V1")[late].max() > 0.15 and m.lead("V6")[late].min() < -0.05


def left_block(m: Measured) -> bool:
    """QRS of 118 ms, V1 negative, no q in V6, upright in I."""
    v1 = m.complex("V1")
    return m.qrs >= 0.118 and -v1.min() > 2 * v1.max() and m.q("V6")[0] < 0.02 and m.complex("I").max() > 0.2


INFERIOR, SEPTAL = ("II", "III", "AVF"), ("V1", "V2", "V3")
# name: the finding, its stage, and the criterion.
CRITERIA = {
    "inferior infarction, fresh: ST up in II, III, aVF": ("IMI", 0, lambda m: raised(m, INFERIOR)),
    "the same: ST down in aVL": ("IMI", 0, lambda m: m.st("AVL") < -0.05),
    "inferior infarction, old: Q in II, III, aVF": ("IMI", 4, lambda m: has_q(m, INFERIOR)),
    "anteroseptal infarction, fresh: ST up in V1 to V3": ("ASMI", 0, lambda m: raised(m, SEPTAL)),
    "anteroseptal infarction, old: Q in V1 to V3": ("ASMI", 4, lambda m: has_q(m, SEPTAL)),
    "lateral ischaemia: ST down, T negative": ("ISCLA", 4, lambda m: depressed(m, ("I", "AVL", "V5", "V6"))),
    "long QT: QTc over 460 ms": ("LNGQT", 4, lambda m: m.qt / m.cycle ** (1 / 3) > 0.46),
    "right bundle branch block": ("CRBBB", 4, right_block),
    "left bundle branch block": ("CLBBB", 4, left_block),
    "anterior fascicular block: axis beyond -40": ("LAFB", 4, lambda m: -100 < m.axis() < -40),
    "posterior fascicular block: axis beyond 90": ("LPFB", 4, lambda m: m.axis() > 90),
    "first-degree AV block: PR over 200 ms": ("1AVB", 4, lambda m: m.pr > 0.2),
    "pre-excitation: PR below 120 ms": ("WPW", 4, lambda m: m.pr < 0.12),
    "left ventricle: Sokolow-Lyon 3.5 mV": ("LVH", 4, lambda m: m.sokolow_lyon() >= 3.45),
    "right ventricle: R over 0.7 mV and S in V1": (
        "RVH",
        4,
        lambda m: m.complex("V1").max() > max(0.65, -m.complex("V1").min()),
    ),
}
STAGES = ("Stadium I", "Stadium I-II", "Stadium II", "Stadium II-III", "Stadium III")


def record_with(code: str | None, stage: int, seed: int) -> SimulatedRecord:
    """A noisy record of a random patient in sinus rhythm; the finding is at or beyond its criterion."""
    rng = np.random.default_rng([seed, 77])
    severity = float(rng.uniform(0.55, 0.9))
    findings = () if code is None else (Finding(code, severity, STAGES[stage]),)
    return simulate_record(rng, (), RATE, findings=findings, rhythm_code="SR", ectopics=())


def share(measured: list[Measured], meets: Callable[[Measured], bool]) -> str:
    """Percent of the records that meet a criterion."""
    return f"{100 * np.mean([meets(one) for one in measured]):.0f}%" if measured else ""


def real_signals(folder: Path, code: str, count: int) -> list[np.ndarray]:
    """Signals, (12, 5000) mV, of ``count`` records of PTB-XL that have ``code`` at 100% and sinus rhythm."""
    table = pd.read_csv(folder / "ptbxl_database.csv")
    statements = [json.loads(text.replace("'", '"')) for text in table["scp_codes"]]
    chosen = [
        path
        for path, codes in zip(table["filename_hr"], statements, strict=True)
        if codes.get(code) == 100 and "SR" in codes and not {"PVC", "PAC"} & set(codes)
    ]
    return [wfdb.rdrecord(str(folder / path)).p_signal.T for path in chosen[:count]]


def main() -> None:
    """Prints two tables: detector, sensitivity, predictivity; and criterion, percentage of simulated records with the
    finding that meet it, of normal ones, the same of real records, and number of real records with the finding."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100, help="of each finding")
    parser.add_argument("--real", type=Path, help="a copy of PTB-XL at 500 Hz")
    arguments = parser.parse_args()
    count = arguments.records
    for detector in (detect, peaks):
        for rate in (100, 500):
            sensitivity, predictivity = detection(detector, rate, count)
            print(
                f"| {detector.__name__}, {rate} Hz | {100 * sensitivity:.1f}% | {100 * predictivity:.1f}% |", flush=True
            )
    normal = [measure(record_with(None, 0, seed).signal) for seed in range(count)]
    real_normal = [measure(x) for x in real_signals(arguments.real, "NORM", count)] if arguments.real else []
    for name, (code, stage, meets) in CRITERIA.items():
        ill = [measure(record_with(code, stage, seed).signal) for seed in range(count)]
        real = [measure(x) for x in real_signals(arguments.real, code, count)] if arguments.real else []
        columns = [share(measured, meets) for measured in (ill, normal, real, real_normal)]
        print(f"| {name} | {' | '.join(columns)} | {len(real)} |", flush=True)


if __name__ == "__main__":
    main()
