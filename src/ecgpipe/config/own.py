"""Data sets of one's own: signals or images, with labels in a table or in the names of folders."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from ecgpipe.config.section import Section

DatasetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=60)]
RESERVED = ("ptb-xl", "cardiac-images", "simulated", "report", "logs", "benchmarks")
"""Names that stand for something else below the results."""


class OwnColumns(Section):
    """Columns of the label table."""

    path: str = Field("path", description="the record's path below `source`: signals without suffix, images with it")
    label: str | tuple[str, ...] = Field(
        "label", description="its label or labels; or a list of columns of 0 and 1, one per class"
    )
    record: str | None = Field(None, description="its id; null: the path")
    patient: str | None = Field(None, description="its patient, for the protocol `patient` and for intervals")
    fold: str | None = Field(None, description="its fold, a whole number, for the protocol `folds`")
    age: str | None = Field(None, description="years")
    sex: str | None = Field(None, description="male or female, also m or f")

    @property
    def named(self) -> tuple[str, ...]:
        """All columns that the table must have."""
        labels = (self.label,) if isinstance(self.label, str) else self.label
        others = (self.record, self.patient, self.fold, self.age, self.sex)
        return (self.path, *labels, *(column for column in others if column is not None))


class OwnConfig(Section):
    """A data set of one's own, by a name of one's own (docs/own-data.md)."""

    kind: Literal["signals", "images"] = Field(description="signals: WFDB records; images: scans or photos of pages")
    source: str = Field(min_length=1, description="folder, or zip archive, which is read in place")
    title: str | None = Field(None, description="what the report calls it; null: its name")
    labels: str | None = Field(
        None,
        min_length=1,
        description="CSV table of records and labels, in `source` or anywhere; null (images only): the folder below "
        "`source` that an image is in is its class",
    )
    columns: OwnColumns = Field(default_factory=OwnColumns, description="what the table's columns are called")
    delimiter: str = Field(",", min_length=1, max_length=1, description="between the table's cells")
    label_separator: str = Field(";", min_length=1, description="between several labels in one cell")
    classes: tuple[str, ...] | None = Field(
        None, min_length=2, description="the classes, in this order; other labels do not count; null: all, sorted"
    )
    policy: Literal["single", "multilabel"] = Field(
        "single", description="single: records with exactly one class; multilabel: records with one or more"
    )
    min_records: int = Field(1, ge=1, description="classes with fewer records are left out")
    sampling_rate: float | None = Field(
        None, gt=0, description="signals: Hz that every record must have; null: each is drawn at its own"
    )
    derive_leads: bool = Field(
        False, description="signals: compute III, aVR, aVL and aVF from I and II where a record lacks them"
    )
    limit: int | None = Field(None, ge=1, description="use only so many records, a random sample (see ptb_xl)")
    seed: int = Field(0, ge=0, description="seeds the choice of the sample")
    shards: int | None = Field(
        None, ge=1, description="number of shards; null: the power of two that makes them hold 500 to 1,000 records"
    )

    def listing(self) -> dict:
        """The settings that decide which records there are, and what is said of them."""
        table = {"labels", "columns", "delimiter", "label_separator"} if self.labels is not None else set()
        return self.model_dump(mode="json", include={"kind", "limit", "seed"} | table)

    def unfit(self, protocol: str) -> str | None:
        """Why a protocol does not fit: which column it lacks."""
        columns = {"patient": self.columns.patient, "folds": self.columns.fold}
        if protocol not in columns or (self.labels is not None and columns[protocol] is not None):
            return None
        return f"needs columns.{'fold' if protocol == 'folds' else protocol} of a label table"

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "OwnConfig":
        if self.kind == "signals" and self.labels is None:
            raise ValueError("labels: signals need a CSV table of records and labels")
        if self.kind == "images":
            given = [key for key in ("sampling_rate", "derive_leads") if key in self.model_fields_set]
            if given:
                raise ValueError(f"{', '.join(given)}: for kind signals only")
        if self.labels is None and "columns" in self.model_fields_set:
            raise ValueError("columns: there is no label table; set labels")
        twice = [name for name in dict.fromkeys(self.classes or ()) if self.classes.count(name) > 1]
        if twice:
            raise ValueError(f"classes: {', '.join(twice)} is there twice")
        return self
