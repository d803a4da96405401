"""The cohort: patients with one or several records, their conditions and lasting findings, and PTB-XL's ten folds.

The heart, the torso, the location and severity of every finding and usually the rhythm belong to the patient. Electrode
placement, posture, heart rate, breathing and noise belong to the recording. Records of one patient therefore resemble
each other more than records of different patients with the same diagnosis, and a split that separates them leaks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecgpipe.acquire.simulate.conditions import STAGES, THRESHOLD
from ecgpipe.acquire.simulate.findings import ORDER, Finding, sample_findings
from ecgpipe.acquire.simulate.patient import Patient, sample_patient
from ecgpipe.acquire.simulate.record import sample_rhythm
from ecgpipe.config.data import SUPERCLASSES
from ecgpipe.errors import ConfigError

BLOCK = 100  # records planned together; more blocks do not change a record's patient and classes
FOLDS = 10
# Probability that a patient's later record keeps the superclasses of the first. This is also the correlation of a
# superclass between two records of a patient: 0.34 to 0.60, mean 0.49, in 213 pairs of PTB-XL.
KEEPS_CONDITION = 0.5
# Patients by number of records, and records by superclasses, counted in PTB-XL 1.0.3.
RECORDS_PER_PATIENT = {1: 16758, 2: 1590, 3: 350, 4: 99, 5: 43, 6: 16, 7: 5, 8: 4, 9: 3, 10: 1}
CLASS_MIX: dict[tuple[str, ...], float] = {
    ("NORM",): 0.4160,
    ("MI",): 0.1162,
    ("STTC",): 0.1101,
    ("CD",): 0.0784,
    ("MI", "CD"): 0.0595,
    ("STTC", "HYP"): 0.0358,
    ("MI", "STTC"): 0.0275,
    ("HYP",): 0.0245,
    ("STTC", "CD"): 0.0216,
    (): 0.0189,
    ("NORM", "CD"): 0.0187,
    ("MI", "STTC", "HYP"): 0.0166,
    ("CD", "HYP"): 0.0138,
    ("MI", "STTC", "CD"): 0.0102,
    ("STTC", "CD", "HYP"): 0.0097,
    ("MI", "HYP"): 0.0084,
    ("MI", "STTC", "CD", "HYP"): 0.0072,
    ("MI", "CD", "HYP"): 0.0054,
    ("NORM", "STTC"): 0.0013,
}
# Mean age and its standard deviation, and the share of women, of PTB-XL's patients.
AGE = {"normal": (52, 17), "findings": (66.5, 14)}
WOMEN = {"NORM": 0.54, "MI": 0.38, "STTC": 0.51, "CD": 0.39, "HYP": 0.43}
AGES_BY_A_STAGE = 0.3  # probability that an infarction is one stage older in the patient's next record
MAX_VISITS = 20  # number of random ageing steps, so that a visit's random stream does not depend on its number
KEEPS_RHYTHM = 0.8  # probability that a record has the patient's usual rhythm
SEVERITY_SPREAD = 0.04  # standard deviation of a finding's severity between records


@dataclass(frozen=True)
class Cohort:
    """One row per record; record k has ecg_id k + 1.

    Attributes:
        patient: (N,) patient numbers. fold: (N,) 1 to 10, the same for all records of a patient.
        visit: (N,) number of the record among the patient's, from 0, in the order of the ids.
        classes: (N,) index into ``mix``. condition: (N,) the same, of the patient's first record.
        mix: the sets of superclasses.
    """

    patient: np.ndarray
    fold: np.ndarray
    visit: np.ndarray
    classes: np.ndarray
    condition: np.ndarray
    mix: tuple[tuple[str, ...], ...]

    def part(self, first: int, stop: int) -> "Cohort":
        """The records from row ``first`` up to ``stop``."""
        columns = {name: column[first:stop] for name, column in vars(self).items() if name != "mix"}
        return replace(self, **columns)


def plan_cohort(records: int, seed: int, class_mix: Mapping[tuple[str, ...], float] | None = None) -> Cohort:
    """A cohort of ``records`` records.

    Patient and classes of record k depend on the seed and k alone; folds are balanced over the whole cohort and also
    depend on ``records``.

    Args:
        class_mix: relative frequency of each set of superclasses; PTB-XL's by default.

    Raises:
        ConfigError: no records, an unknown superclass, or no positive weight.
    """
    mix = CLASS_MIX if class_mix is None else dict(class_mix)
    unknown = {name for names in mix for name in names} - set(SUPERCLASSES)
    if unknown or not mix or min(mix.values()) < 0 or sum(mix.values()) <= 0:
        raise ConfigError(f"class_mix {mix} must give weights of 0 or more to sets of {', '.join(SUPERCLASSES)}")
    if records < 1:
        raise ConfigError(f"cannot simulate {records} records; use 1 or more")
    shares = np.array(list(mix.values())) / sum(mix.values())
    blocks = [_plan_block(np.random.default_rng([seed, 0, b]), b, shares) for b in range(-(-records // BLOCK))]
    patient, visit, classes, condition = (np.concatenate(column)[:records] for column in zip(*blocks, strict=True))
    labels = np.array([[name in names for name in SUPERCLASSES] + [not names, True] for names in mix])
    fold = balanced_folds(np.random.default_rng([seed, 3]), patient, labels[classes].astype(float))
    return Cohort(patient, fold, visit, classes, condition, tuple(mix))


def _plan_block(rng: np.random.Generator, block: int, shares: np.ndarray) -> tuple[np.ndarray, ...]:
    """Patient number, visit, class set and the patient's condition of each record of a block, in random order."""
    weights = np.array(list(RECORDS_PER_PATIENT.values()), dtype=float)
    sizes = rng.choice(list(RECORDS_PER_PATIENT), size=BLOCK, p=weights / weights.sum())
    owner = rng.permutation(np.repeat(np.arange(BLOCK), sizes)[:BLOCK])
    visit = np.array([np.count_nonzero(owner[:row] == owner[row]) for row in range(BLOCK)])
    condition = rng.choice(len(shares), size=BLOCK, p=shares)[owner]
    fresh = rng.choice(len(shares), size=BLOCK, p=shares)
    keeps = (visit == 0) | (rng.random(BLOCK) < KEEPS_CONDITION)
    return block * BLOCK + owner + 1, visit, np.where(keeps, condition, fresh), condition


def balanced_folds(rng: np.random.Generator, patient: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Folds 1 to 10 with equal shares of every label, each patient in one fold.

    Greedy: patients with many records first, then those with rare labels, each into the fold with the largest deficit.

    Args:
        patient: (N,) numbers. labels: (N, L) of 0 and 1, the last column all 1.
    """
    _, index = np.unique(patient, return_inverse=True)
    total = np.zeros((index.max() + 1, labels.shape[1]))
    np.add.at(total, index, labels)
    target = labels.sum(axis=0) / FOLDS
    weight = np.divide(1.0, target, out=np.zeros_like(target), where=target > 0)
    order = np.lexsort((rng.random(len(total)), -(total @ weight)))  # rarity of the patient's labels, ties at random
    lacking = np.tile(target, (FOLDS, 1))
    fold = np.empty(len(total), dtype=int)
    for one in order:
        chosen = int(np.argmax(lacking @ (weight * total[one])))
        fold[one] = chosen + 1
        lacking[chosen] -= total[one]
    return fold[index]


@dataclass(frozen=True)
class Chart:
    """The properties that all records of a patient share.

    Attributes:
        seed: the dataset's seed; together with ``patient_id`` it seeds the patient's own random streams.
        difficulty: fraction of findings below their textbook criterion.
    """

    seed: int
    patient_id: int
    patient: Patient
    difficulty: float

    def findings(self, superclasses: Sequence[str], visit: int, rng: np.random.Generator) -> list[Finding]:
        """The patient's findings of these superclasses in record number ``visit`` (from 0).

        Severity varies slightly between records (``rng``) but stays on its side of the criterion; infarctions age from
        visit to visit.
        """
        normal = tuple(name for name in superclasses if name == "NORM")
        result = []
        for number, name in enumerate(SUPERCLASSES):
            if name in superclasses and name != "NORM":
                own = np.random.default_rng([self.seed, 5, self.patient_id, number])
                for finding in sample_findings(own, (*normal, name), self.difficulty):
                    older = int((own.random(MAX_VISITS)[:visit] < AGES_BY_A_STAGE).sum())
                    stage = STAGES[min(STAGES.index(finding.stage) + older, len(STAGES) - 1)]
                    result.append(replace(finding, stage=stage, severity=_vary_severity(rng, finding.severity)))
        return sorted(result, key=lambda finding: ORDER[finding.code])

    def rhythm(self, superclasses: Sequence[str], findings: Sequence[Finding], rng: np.random.Generator) -> str:
        """The rhythm of a record: the patient's usual one with probability ``KEEPS_RHYTHM``."""
        usual = np.random.default_rng([self.seed, 6, self.patient_id])
        return sample_rhythm(usual if rng.random() < KEEPS_RHYTHM else rng, superclasses, findings)


def _vary_severity(rng: np.random.Generator, severity: float) -> float:
    low, high = (0.1, THRESHOLD - 1e-6) if severity < THRESHOLD else (THRESHOLD, 1.0)
    return float(np.clip(severity + rng.normal(0, SEVERITY_SPREAD), low, high))


def patient_chart(seed: int, patient_id: int, condition: Sequence[str], difficulty: float) -> Chart:
    """The chart of a patient in the dataset with this ``seed``.

    Args:
        condition: superclasses of the patient's first record, which determine the distributions of age and sex.
    """
    rng = np.random.default_rng([seed, 1, patient_id])
    mean, spread = AGE["normal" if "NORM" in condition else "findings"]
    age = float(np.clip(rng.normal(mean, spread), 5, 95))
    women = np.mean([WOMEN[name] for name in condition]) if condition else 0.48
    patient = sample_patient(rng, age=age, sex=int(rng.random() < women))
    return Chart(seed, patient_id, patient, difficulty)
