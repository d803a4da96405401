"""Who is recorded: patients with one or several records, their conditions, and PTB-XL's ten folds.

A patient's chart: what all recordings of one person have in common.

The heart, its torso, the place and size of every finding and, mostly, the rhythm are the patient's; only electrode
placement, posture, heart rate, breathing and noise are a recording's own. So records of one patient resemble each
other more than those of strangers with the same diagnosis do, and a split that tears patients apart leaks.
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

BLOCK = 100  # records planned together; a record's patient and classes do not depend on how many blocks follow
FOLDS = 10
# The chance that a patient's later record has the superclasses of the first rather than newly drawn ones. This is also
# the correlation of a superclass between two records of a patient: 0.34 to 0.60, mean 0.49, in 213 pairs of PTB-XL's.
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


@dataclass(frozen=True)
class Cohort:
    """A row per record; record k has ecg_id k + 1.

    Attributes:
        patient: (N,) patient numbers. fold: (N,) 1 to 10, no patient in two.
        visit: (N,) which of the patient's records it is, from 0, in the order of the ids.
        mix: the superclass sets. classes: (N,) index into ``mix``. condition: (N,) that of the patient's first record.
    """

    patient: np.ndarray
    fold: np.ndarray
    visit: np.ndarray
    classes: np.ndarray
    condition: np.ndarray
    mix: tuple[tuple[str, ...], ...]


def plan_cohort(records: int, seed: int, class_mix: Mapping[tuple[str, ...], float] | None = None) -> Cohort:
    """Plans ``records`` records. Patient and classes of record k depend on the seed and k alone; folds, which are
    balanced over the whole cohort, also on ``records``.

    Args:
        class_mix: relative frequency of each set of superclasses; PTB-XL's by default.

    Raises:
        ConfigError: no records, or a mix with an unknown superclass or without a positive weight.
    """
    mix = CLASS_MIX if class_mix is None else dict(class_mix)
    unknown = {name for names in mix for name in names} - set(SUPERCLASSES)
    if unknown or not mix or min(mix.values()) < 0 or sum(mix.values()) <= 0:
        raise ConfigError(f"class_mix {mix} must give weights of 0 or more to sets of {', '.join(SUPERCLASSES)}")
    if records < 1:
        raise ConfigError(f"cannot simulate {records} records: ask for 1 or more")
    shares = np.array(list(mix.values())) / sum(mix.values())
    blocks = [_plan_block(np.random.default_rng([seed, 0, b]), b, shares) for b in range(-(-records // BLOCK))]
    patient, visit, classes, condition = (np.concatenate(column)[:records] for column in zip(*blocks, strict=True))
    names = tuple(mix)
    labels = np.array([[name in names_of for name in SUPERCLASSES] + [not names_of, True] for names_of in names])
    fold = balanced_folds(np.random.default_rng([seed, 3]), patient, labels[classes].astype(float))
    return Cohort(patient, fold, visit, classes, condition, names)


def _plan_block(rng: np.random.Generator, block: int, shares: np.ndarray) -> tuple[np.ndarray, ...]:
    """Patient number, visit, class set and the patient's condition for each record of a block, in random order."""
    weights = np.array(list(RECORDS_PER_PATIENT.values()), dtype=float)
    sizes = rng.choice(list(RECORDS_PER_PATIENT), size=BLOCK, p=weights / weights.sum())
    owner = rng.permutation(np.repeat(np.arange(BLOCK), sizes)[:BLOCK])
    visit = np.array([np.count_nonzero(owner[:row] == owner[row]) for row in range(BLOCK)])
    own_condition = rng.choice(len(shares), size=BLOCK, p=shares)
    fresh = rng.choice(len(shares), size=BLOCK, p=shares)
    keeps = (visit == 0) | (rng.random(BLOCK) < KEEPS_CONDITION)
    classes = np.where(keeps, own_condition[owner], fresh)
    return block * BLOCK + owner + 1, visit, classes, own_condition[owner]


def balanced_folds(rng: np.random.Generator, patient: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Folds 1 to 10 with equal shares of every label and no patient in two.

    Greedy: patients with many records first, then those with rare labels, each to the fold that lacks most.

    Args:
        patient: (N,) numbers. labels: (N, L) of 0 and 1, the last column all 1.
    """
    _, index = np.unique(patient, return_inverse=True)
    total = np.zeros((index.max() + 1, labels.shape[1]))
    np.add.at(total, index, labels)
    target = labels.sum(axis=0) / FOLDS
    weight = np.divide(1.0, target, out=np.zeros_like(target), where=target > 0)
    # Order: rarity of the patient's labels, largest first, ties at random.
    order = np.lexsort((rng.random(len(total)), -(total @ weight)))
    lacking = np.tile(target, (FOLDS, 1))
    fold = np.empty(len(total), dtype=int)
    for one in order:
        chosen = int(np.argmax(lacking @ (weight * total[one])))
        fold[one] = chosen + 1
        lacking[chosen] -= total[one]
    return fold[index]


# The mean age and its deviation, and the share of women, among PTB-XL's patients with and without findings.
AGE = {"normal": (52, 17), "findings": (66.5, 14)}
WOMEN = {"NORM": 0.54, "MI": 0.38, "STTC": 0.51, "CD": 0.39, "HYP": 0.43}
AGES_BY_A_STAGE = 0.3  # the chance that an infarction is a stage older in the patient's next record
MOST_VISITS = 20  # ageing is drawn for so many, so that a visit's random stream does not depend on its number
KEEPS_RHYTHM = 0.8  # the chance that a record has the patient's usual rhythm rather than one drawn for it
SEVERITY_SPREAD = 0.04  # of a finding between records


@dataclass(frozen=True)
class Chart:
    """Made by :func:`chart_of`.

    Attributes:
        seed: the data set's. patient_id: seeds the patient's own random streams together with it.
        difficulty: the share of findings short of their textbook criterion.
    """

    seed: int
    patient_id: int
    patient: Patient
    difficulty: float

    def findings(self, superclasses: Sequence[str], visit: int, rng: np.random.Generator) -> list[Finding]:
        """The findings in record number ``visit`` (from 0) with these superclasses: the patient's own of each class.

        Severity differs a little from record to record (``rng``) but stays on its side of the criterion; infarctions
        age from visit to visit.
        """
        normal = tuple(name for name in superclasses if name == "NORM")
        found = []
        for number, name in enumerate(SUPERCLASSES):
            if name in superclasses and name != "NORM":
                own = np.random.default_rng([self.seed, 5, self.patient_id, number])
                for finding in sample_findings(own, (*normal, name), self.difficulty):
                    older = int((own.random(MOST_VISITS)[:visit] < AGES_BY_A_STAGE).sum())
                    stage = STAGES[min(STAGES.index(finding.stage) + older, len(STAGES) - 1)]
                    found.append(replace(finding, stage=stage, severity=_again(rng, finding.severity)))
        return sorted(found, key=lambda finding: ORDER[finding.code])

    def rhythm(self, superclasses: Sequence[str], findings: Sequence[Finding], rng: np.random.Generator) -> str:
        """The rhythm of a record: the patient's usual one with probability ``KEEPS_RHYTHM``."""
        usual = np.random.default_rng([self.seed, 6, self.patient_id])
        return sample_rhythm(usual if rng.random() < KEEPS_RHYTHM else rng, superclasses, findings)


def _again(rng: np.random.Generator, severity: float) -> float:
    low, high = (0.1, THRESHOLD - 1e-6) if severity < THRESHOLD else (THRESHOLD, 1.0)
    return float(np.clip(severity + rng.normal(0, SEVERITY_SPREAD), low, high))


def patient_chart(seed: int, patient_id: int, condition: Sequence[str], difficulty: float) -> Chart:
    """The chart of patient ``patient_id`` in the data set with this ``seed``.

    Args:
        condition: the superclasses of the patient's first record, which go with age and sex.
    """
    rng = np.random.default_rng([seed, 1, patient_id])
    mean, spread = AGE["normal" if "NORM" in condition else "findings"]
    age = float(np.clip(rng.normal(mean, spread), 5, 95))
    women = np.mean([WOMEN[name] for name in condition]) if condition else 0.48
    patient = sample_patient(rng, age=age, sex=int(rng.random() < women))
    return Chart(seed, patient_id, patient, difficulty)
