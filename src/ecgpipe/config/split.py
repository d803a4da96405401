"""How records are divided into training, validation and test."""

from typing import Literal

from pydantic import Field, model_validator

from ecgpipe.config.section import Section

Protocol = Literal["paper", "patient", "folds", "unique"]


class SplitConfig(Section):
    """Shares and folds of the split protocols."""

    paper_validation: float = Field(
        0.2, gt=0, lt=1, description="paper: share of validation records, which both stop training and are reported"
    )
    validation: float = Field(0.1, ge=0.01, lt=1, description="patient, unique: share of validation records, to 1%")
    test: float = Field(0.1, ge=0.01, lt=1, description="patient, unique: share of test records, to 1%")
    validation_fold: int = Field(9, ge=1, le=10, description="folds: the fold that stops training")
    test_fold: int = Field(10, ge=1, le=10, description="folds: the fold that is reported")

    def of(self, protocol: str) -> dict[str, float]:
        """The keys that a protocol depends on."""
        keys = {"paper": {"paper_validation"}, "folds": {"validation_fold", "test_fold"}}
        return self.model_dump(include=keys.get(protocol, {"validation", "test"}))

    @model_validator(mode="after")
    def _something_is_left(self) -> "SplitConfig":
        if self.validation + self.test >= 1:
            raise ValueError("validation + test leave nothing to train on; their sum must be below 1")
        if self.validation_fold == self.test_fold:
            raise ValueError("validation_fold and test_fold must differ")
        return self
