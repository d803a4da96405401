"""Who is recorded: patients with one or several records, their conditions, and PTB-XL's ten folds."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ecgpipe.config.labels import SUPERCLASSES
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
