"""Simulated normal records beside real ones in numbers: amplitudes, noise, and how alike the records of a patient are.

    python -m benchmarks.simulated_in_numbers PTBXL SIMULATED

Both folders hold 500 Hz records in PTB-XL's layout.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import butter, sosfiltfilt
from sklearn.metrics import roc_auc_score

from ecgpipe.acquire.ptbxl import list_ptbxl_records
from ecgpipe.artifacts.signals import read_signal
from tests.acquire.measure import BEFORE, RATE, measure, peaks

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
BANDS = {"wander, 0.05-0.5 Hz": (0.05, 0.5), "muscle, 40-100 Hz": (40, 100), "muscle, 100-200 Hz": (100, 200)}
AROUND = slice(BEFORE - 60, BEFORE + 160)  # samples of the median beat that are compared: QRS, ST, T


def normal_records(records: pd.DataFrame, count: int) -> list[str]:
    """Paths of normal records without ectopic beats or fibrillation."""
    statements = records["statements"].map(json.loads)
    chosen = [codes.get("NORM", 0) >= 80 and not {"PVC", "PAC", "AFIB"} & set(codes) for codes in statements]
    return records.loc[chosen, "path"].tolist()[:count]


def describe(folder: Path, paths: list[str]) -> dict[str, np.ndarray]:
    """Name -> (records, 12): largest and smallest value of the median QRS (mV), and noise between the QRS (uV)."""
    rows: dict[str, list] = {name: [] for name in ("largest", "smallest", *BANDS)}
    for path in paths:
        signal, _ = read_signal(folder / path, path)
        beats = np.round(peaks(signal, RATE) * RATE).astype(int)
        inner = [beat for beat in beats if 100 < beat < signal.shape[1] - 100]
        if len(inner) < 4:
            continue
        median = np.median([_beat(signal, beat) for beat in inner], axis=0)
        rows["largest"].append(median.max(axis=1))
        rows["smallest"].append(median.min(axis=1))
        between = np.ones(signal.shape[1], dtype=bool)
        for beat in beats:
            between[max(0, beat - 50) : beat + 60] = False
        for name, band in BANDS.items():
            filtered = sosfiltfilt(butter(2, band, "band", fs=RATE, output="sos"), signal)
            rows[name].append(1000 * (filtered if band[1] < 1 else filtered[:, between]).std(axis=1))
    return {name: np.array(values) for name, values in rows.items()}


def _beat(signal: np.ndarray, at: int) -> np.ndarray:
    return signal[:, at - 60 : at + 60] - signal[:, at - 75 : at - 60].mean(axis=1, keepdims=True)


def likeness(folder: Path, records: pd.DataFrame, patients: int) -> str:
    """How well the correlation of median beats tells two records of a patient from those of two patients."""
    several = records[records.groupby("patient_id")["patient_id"].transform("size") > 1]
    first_two = several.sort_values("record_id").groupby("patient_id").head(2)
    chosen = first_two[first_two["patient_id"].isin(sorted(first_two["patient_id"].unique())[:patients])]
    beats = np.array([measure(read_signal(folder / path, path)[0]).beat[:, AROUND].ravel() for path in chosen["path"]])
    alike = np.corrcoef(beats)
    owner = chosen["patient_id"].to_numpy()
    same = owner[:, None] == owner
    pairs = np.triu_indices(len(owner), 1)
    area = roc_auc_score(same[pairs], alike[pairs])
    np.fill_diagonal(alike, -1)
    found = np.mean(owner[alike.argmax(axis=1)] == owner)
    medians = [np.median(alike[pairs][same[pairs] == own]) for own in (True, False)]
    return f"{medians[0]:.2f} | {medians[1]:.2f} | {area:.2f} | {100 * found:.0f}% | {len(owner)}"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path)
    parser.add_argument("simulated", type=Path)
    parser.add_argument("--records", type=int, default=300, help="normal records of each (default 300)")
    parser.add_argument("--patients", type=int, default=60, help="patients with several records (default 60)")
    arguments = parser.parse_args()
    folders = {"real": arguments.real, "simulated": arguments.simulated}
    listed = {name: list_ptbxl_records(folder, RATE, 1000)[0] for name, folder in folders.items()}
    described = {
        name: describe(folder, normal_records(listed[name], arguments.records)) for name, folder in folders.items()
    }
    print("| percentile | " + " | ".join(LEADS) + " |")
    for measurement in described["real"]:
        for percentile in (10, 50, 90):
            for name, values in described.items():
                row = np.percentile(values[measurement], percentile, axis=0)
                cells = " | ".join(f"{cell:.2f}" if "est" in measurement else f"{cell:.1f}" for cell in row)
                print(f"| {measurement}, {percentile}%, {name} | {cells} |")
    print("| | same patient | strangers | AUC | found again | records |")
    for name, folder in folders.items():
        print(f"| {name} | {likeness(folder, listed[name], arguments.patients)} |", flush=True)


if __name__ == "__main__":
    main()
