"""How records are divided into training, validation and test."""

import re
from typing import Literal

from pydantic import Field, model_validator

from ecgpipe.config.section import Section

PROTOCOLS = ("paper", "patient", "folds", "unique")
CROSS_VALIDATED = re.compile(rf"({'|'.join(PROTOCOLS)})-cv([1-9]\d*)")
PART = re.compile(rf"({'|'.join(PROTOCOLS)})(?:-cv([1-9]\d*)-([1-9]\d*))?")
"""A protocol as files and runs name it: plain, or one part of a cross-validation."""


def expand(protocol: str) -> tuple[str, ...]:
    """The protocols that a name in the configuration stands for: ``patient-cv5`` for ``patient-cv5-1`` to ``-5``.

    Raises:
        ValueError: no such protocol.
    """
    if protocol in PROTOCOLS:
        return (protocol,)
    if (match := CROSS_VALIDATED.fullmatch(protocol)) and 3 <= int(match[2]) <= 20:
        return tuple(f"{protocol}-{part}" for part in range(1, int(match[2]) + 1))
    raise ValueError(
        f"{protocol!r} is no protocol; allowed are {', '.join(PROTOCOLS)}, and each with a number of parts, 3 to 20, "
        "for cross-validation: patient-cv5"
    )


def base_of(protocol: str) -> str:
    """``patient`` of ``patient``, ``patient-cv5`` and ``patient-cv5-2``."""
    return protocol.partition("-")[0]


class SplitConfig(Section):
    """Shares and folds of the split protocols."""

    paper_validation: float = Field(
        0.2, gt=0, lt=1, description="paper: share of validation records, which both stop training and are reported"
    )
    validation: float = Field(0.1, ge=0.01, lt=1, description="patient, unique: share of validation records, to 1%")
    test: float = Field(0.1, ge=0.01, lt=1, description="patient, unique: share of test records, to 1%")
    validation_fold: int = Field(9, ge=1, le=10, description="folds: the fold that stops training")
    test_fold: int = Field(10, ge=1, le=10, description="folds: the fold that is reported")
    twins: Literal["near", "identical"] = Field(
        "near",
        description="unique: what stays on one side: near-identical copies too, or byte-identical ones only",
    )

    def of(self, protocol: str) -> dict[str, float | str]:
        """The keys that a protocol depends on."""
        base, cross_validated = base_of(protocol), protocol != base_of(protocol)
        if cross_validated:
            return self.model_dump(include={"twins"} if base == "unique" else set())
        keys = {
            "paper": {"paper_validation"},
            "folds": {"validation_fold", "test_fold"},
            "unique": {"validation", "test", "twins"},
        }
        return self.model_dump(include=keys.get(base, {"validation", "test"}))

    @model_validator(mode="after")
    def _something_is_left(self) -> "SplitConfig":
        if self.validation + self.test >= 1:
            raise ValueError("validation + test leave nothing to train on; their sum must be below 1")
        if self.validation_fold == self.test_fold:
            raise ValueError("validation_fold and test_fold must differ")
        return self
