"""How statements become targets."""

from typing import Literal

from pydantic import Field, model_validator

from ecgpipe.config.section import Section

SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
GROUPINGS = ("superclass", "subclass", "diagnostic", "form", "rhythm", "all")


class LabelsConfig(Section):
    """How statements become the targets of the classifiers (data sets with statements only)."""

    policy: Literal["single", "primary", "multilabel"] = Field(
        "single",
        description="single: records whose statements map to exactly one class; "
        "primary: the class of the highest likelihood; multilabel: every class that is there",
    )
    grouping: str = Field(
        "superclass",
        min_length=1,
        description="which statements count, and as which class: superclass or subclass (of the diagnostic ones); "
        "diagnostic, form, rhythm or all (each statement a class); or a CSV file with columns statement and class",
    )
    min_records: int = Field(
        1, ge=1, description="classes with fewer records are left out, and records that then have none"
    )
    min_likelihood: float = Field(
        0, ge=0, le=100, description="percent; statements below it do not count (0 counts all)"
    )
    zero_likelihood: Literal["unknown", "absent"] = Field(
        "unknown",
        description="PTB-XL writes likelihood 0 where the reader gave none: unknown counts the statement as there "
        "(as 100 against min_likelihood), absent drops it",
    )
    tie_order: tuple[str, ...] | None = Field(
        None,
        description="primary: which class wins when several have the highest likelihood, first wins; classes that are "
        "not in the list come after it, in the grouping's order with NORM last; null: all in that order",
    )

    @model_validator(mode="after")
    def _grouping_exists(self) -> "LabelsConfig":
        if self.grouping not in GROUPINGS and not self.grouping.endswith(".csv"):
            raise ValueError(f"grouping {self.grouping!r}: allowed are {', '.join(GROUPINGS)} and a CSV file's path")
        unknown = [name for name in self.tie_order or () if name not in SUPERCLASSES]
        if self.grouping == "superclass" and unknown:
            raise ValueError(f"tie_order: {', '.join(unknown)}: no superclass; they are {', '.join(SUPERCLASSES)}")
        return self
