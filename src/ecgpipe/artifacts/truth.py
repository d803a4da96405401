"""truth.jsonl: the simulator's ground truth, one line per record."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgpipe.artifacts.sources import open_source
from ecgpipe.errors import DataError, one_line

BEAT_FIELDS = ("p_onset", "p_offset", "qrs_onset", "r_peak", "qrs_offset", "t_onset", "t_peak", "t_offset")
PARTS = {
    "P": ("p_onset", "p_offset"),
    "PR": ("p_onset", "qrs_onset"),
    "QRS": ("qrs_onset", "qrs_offset"),
    "ST": ("qrs_offset", "t_onset"),
    "T": ("t_onset", "t_offset"),
    "QT": ("qrs_onset", "t_offset"),
}
"""Beginning and end of each wave, segment (ST) and interval (PR, QT) of a beat."""


@dataclass(frozen=True)
class FindingTruth:
    """A finding in a record.

    Attributes:
        parts: parts of a beat (keys of ``PARTS``) that differ from the same heart without the finding.
        leads: leads in which they differ by at least 0.05 mV and a third of the largest difference; if none does, the
            lead with the largest difference.
    """

    code: str
    superclass: str
    severity: float
    stage: str | None
    parts: tuple[str, ...]
    leads: tuple[str, ...]


@dataclass(frozen=True)
class Truth:
    """The ground truth of one record. Times in seconds from the first sample.

    Attributes:
        beats: (B,) array for each of ``BEAT_FIELDS``; NaN if a beat lacks the wave. Waves may extend beyond the
            recording and, at high heart rates, into the next P wave.
        kinds: (B,) "N" sinus or AV node, "V" ventricular, "A" atrial ectopic.
        rhythm: SR, SARRH, SBRAD, STACH, AFIB or AFLT.
        findings: the diagnostic findings.
        ectopics: PVC, PAC, both or none.
        parameters: heart_rate (1/min, mean of the recorded cycles), axis (degrees), pr, qrs, qt, qtc (seconds, of the
            dominant beat; pr is NaN without P), sokolow_lyon (mV), respiration (Hz) and the noise levels (mV);
            burst_start, burst_stop and motion_at (seconds) if there is a muscle burst or a moved electrode.
    """

    seconds: float
    beats: dict[str, np.ndarray]
    kinds: np.ndarray
    rhythm: str
    findings: tuple[FindingTruth, ...]
    ectopics: tuple[str, ...]
    parameters: dict[str, float]

    def intervals(self, part: str) -> np.ndarray:
        """(n, 2) start and stop, in seconds, of ``part`` (a key of ``PARTS``) in every beat that has it."""
        start, stop = PARTS[part]
        times = np.stack([self.beats[start], self.beats[stop]], axis=1)
        return times[~np.isnan(times).any(axis=1)]

    def finding_mask(self, finding: FindingTruth, leads: tuple[str, ...], sampling_rate: int) -> np.ndarray:
        """(len(leads), samples) of bool: the samples that show ``finding``, without premature ventricular beats."""
        samples = round(self.seconds * sampling_rate)
        mask = np.zeros((len(leads), samples), dtype=bool)
        rows = [row for row, lead in enumerate(leads) if lead in finding.leads]
        for part in finding.parts:
            start, stop = (self.beats[name][self.kinds != "V"] for name in PARTS[part])
            for first, last in zip(start, stop, strict=True):
                if not np.isnan(first) and last > 0:
                    mask[rows, max(0, round(first * sampling_rate)) : round(last * sampling_rate)] = True
        return mask

    def to_dict(self) -> dict:
        """A dict for JSON; times in ms, parameters rounded to six digits, NaN as None."""
        return {
            "seconds": self.seconds,
            "rhythm": self.rhythm,
            "ectopics": list(self.ectopics),
            "parameters": {k: None if np.isnan(v) else float(f"{v:.6g}") for k, v in self.parameters.items()},
            "findings": [
                {
                    "code": finding.code,
                    "superclass": finding.superclass,
                    "severity": round(finding.severity, 3),
                    "stage": finding.stage,
                    "parts": list(finding.parts),
                    "leads": list(finding.leads),
                }
                for finding in self.findings
            ],
            "kinds": "".join(self.kinds),
            "beats_ms": {
                name: [None if np.isnan(t) else round(1000 * float(t)) for t in times]
                for name, times in self.beats.items()
            },
        }

    @classmethod
    def from_dict(cls, stored: dict) -> "Truth":
        """The inverse of :meth:`to_dict`, up to its rounding."""
        return cls(
            seconds=stored["seconds"],
            beats={name: np.array(times, dtype=float) / 1000 for name, times in stored["beats_ms"].items()},
            kinds=np.array(list(stored["kinds"]), dtype="<U1"),
            rhythm=stored["rhythm"],
            findings=tuple(
                FindingTruth(**{**f, "parts": tuple(f["parts"]), "leads": tuple(f["leads"])})
                for f in stored["findings"]
            ),
            ectopics=tuple(stored["ectopics"]),
            parameters={k: np.nan if v is None else v for k, v in stored["parameters"].items()},
        )


def read_truth(path: Path | str, record_ids: Iterable[str]) -> dict[str, Truth]:
    """The truth of some records (ids of five digits, as in records.parquet); records not found are absent.

    Raises:
        DataError: the file is missing or damaged.
    """
    wanted = {int(record_id) for record_id in record_ids}
    truths = {}
    folder = Path(path).parent
    if folder.is_dir():
        open_source(folder).check(Path(path).name)
    try:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                stored = json.loads(line)
                if stored["ecg_id"] in wanted:
                    truths[f"{stored['ecg_id']:05d}"] = Truth.from_dict(stored)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: not a readable truth file ({one_line(error)}); simulate the records again") from error
    return truths
