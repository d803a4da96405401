"""A patient's chart: what all recordings of one person have in common.

The heart, its torso, the place and size of every finding and, mostly, the rhythm are the patient's; only electrode
placement, posture, heart rate, breathing and noise are a recording's own. So records of one patient resemble each
other more than those of strangers with the same diagnosis do, and a split that tears patients apart leaks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecgpipe.acquire.simulate.findings import ORDER, Finding, draw_findings
from ecgpipe.acquire.simulate.infarction import STAGES
from ecgpipe.acquire.simulate.patient import Patient, draw_patient
from ecgpipe.acquire.simulate.record import draw_rhythm
from ecgpipe.acquire.simulate.severity import THRESHOLD
from ecgpipe.config.labels import SUPERCLASSES

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
                for finding in draw_findings(own, (*normal, name), self.difficulty):
                    older = int((own.random(MOST_VISITS)[:visit] < AGES_BY_A_STAGE).sum())
                    stage = STAGES[min(STAGES.index(finding.stage) + older, len(STAGES) - 1)]
                    found.append(replace(finding, stage=stage, severity=_again(rng, finding.severity)))
        return sorted(found, key=lambda finding: ORDER[finding.code])

    def rhythm(self, superclasses: Sequence[str], findings: Sequence[Finding], rng: np.random.Generator) -> str:
        """The rhythm of a record: the patient's usual one with probability ``KEEPS_RHYTHM``."""
        usual = np.random.default_rng([self.seed, 6, self.patient_id])
        return draw_rhythm(usual if rng.random() < KEEPS_RHYTHM else rng, superclasses, findings)


def _again(rng: np.random.Generator, severity: float) -> float:
    low, high = (0.1, THRESHOLD - 1e-6) if severity < THRESHOLD else (THRESHOLD, 1.0)
    return float(np.clip(severity + rng.normal(0, SEVERITY_SPREAD), low, high))


def chart_of(seed: int, patient_id: int, condition: Sequence[str], difficulty: float) -> Chart:
    """The chart of patient ``patient_id`` in the data set with this ``seed``.

    Args:
        condition: the superclasses of the patient's first record, which go with age and sex.
    """
    rng = np.random.default_rng([seed, 1, patient_id])
    mean, spread = AGE["normal" if "NORM" in condition else "findings"]
    age = float(np.clip(rng.normal(mean, spread), 5, 95))
    women = np.mean([WOMEN[name] for name in condition]) if condition else 0.48
    patient = draw_patient(rng, age=age, sex=int(rng.random() < women))
    return Chart(seed, patient_id, patient, difficulty)
