"""User datasets: where their records are, and where their labels come from."""

import re
from typing import Literal
from unicodedata import normalize

from pydantic import Field, field_validator, model_validator

from ecgpipe.config.base import Section, Seed, check_unique
from ecgpipe.lead_names import LEADS, lead_of

HEADER, PTB_XL = "header", "ptb-xl"
"""Values of ``own.NAME.labels`` that are not the path of a table."""
MISSPELT = {"header": HEADER, "headers": HEADER, "ptbxl": PTB_XL}
"""Common misspellings, in lower case without hyphens, -> the value that is meant."""
ID_PATTERN = r"(?<!\d)(\d{5})(?!\d)(?=[^/]*$)"
"""Five digits in the name of a file, as PTB-XL writes its record numbers."""


class OwnColumns(Section):
    """Columns of the label table."""

    path: str = Field("path", description="path below `source`: for signals without suffix, for images with it")
    label: str | tuple[str, ...] = Field(
        "label", description="label or labels of the record; or a list of columns with 0 and 1, one per class"
    )
    record: str | None = Field(None, description="record id; null: the path")
    patient: str | None = Field(None, description="patient id, for the protocol `patient` and for intervals")
    fold: str | None = Field(None, description="fold, a whole number, for the protocol `folds`")
    age: str | None = Field(None, description="age in years")
    sex: str | None = Field(None, description="male or female, or m or f")

    @property
    def named(self) -> tuple[str, ...]:
        """All columns that the table must have."""
        labels = (self.label,) if isinstance(self.label, str) else self.label
        others = (self.record, self.patient, self.fold, self.age, self.sex)
        return (self.path, *labels, *(column for column in others if column is not None))


class OwnConfig(Section):
    """A user dataset, under a name that you choose (docs/own-data.md)."""

    kind: Literal["signals", "images"] = Field(description="signals: WFDB records; images: scans or photos of pages")
    source: str = Field(min_length=1, description="folder, or zip archive of it, read in place")
    title: str | None = Field(None, description="title in the report; null: the name")
    labels: str | None = Field(
        None,
        min_length=1,
        description="CSV table of records and labels, in `source` or elsewhere; header (signals only): the lines "
        "`# Dx:` of the headers; ptb-xl (images only): the images show records of PTB-XL and have its labels, patients "
        "and folds; null (images only): the name of the folder below `source` is the class",
    )
    code_table: str | None = Field(
        None,
        min_length=1,
        description="labels: header: CSV table with the columns code and classes; null: the package's table, "
        "which maps the codes of the PhysioNet Challenges 2020 and 2021 to superclasses",
    )
    id_pattern: str = Field(
        ID_PATTERN,
        description="labels: ptb-xl: regular expression whose group is the number (ecg_id) in the path of an image "
        "below `source`; by default five digits in the name",
    )
    id_table: str | None = Field(
        None,
        min_length=1,
        description="labels: ptb-xl: CSV table with the columns image (or folder of images) and id, in `source` or "
        "elsewhere, in place of `id_pattern`",
    )
    columns: OwnColumns = Field(default_factory=OwnColumns, description="names of the table's columns")
    delimiter: str = Field(",", min_length=1, max_length=1, description="delimiter of the table")
    label_separator: str = Field(";", min_length=1, description="separator of several labels in one cell")
    classes: tuple[str, ...] | None = Field(
        None, min_length=2, description="classes in this order, other labels are ignored; null: all labels, sorted"
    )
    policy: Literal["single", "multilabel"] = Field(
        "single", description="single: keep records with exactly one class; multilabel: records with at least one"
    )
    min_records: int = Field(1, ge=1, description="drop classes with fewer records")
    sampling_rate: float | None = Field(
        None, gt=0, description="signals: Hz, required of every record; null: use each record's own rate"
    )
    derive_leads: bool = Field(False, description="signals: compute missing III, aVR, aVL and aVF from I and II")
    lead_names: dict[str, str] = Field(
        default_factory=dict,
        description="signals: unknown lead name -> lead, such as {MLII: II}; a minus negates: {VR: -aVR}",
    )
    uncalibrated_gain: float | None = Field(
        None,
        gt=0,
        description="signals: ADC units per mV of signals whose header states gain 0 or none; null: leave such records "
        "out. WFDB's programs assume 200",
    )
    limit: int | None = Field(None, ge=1, description="use a random sample of this many records; null: all")
    seed: Seed = Field(0, description="seed of that sample")
    shards: int | None = Field(
        None, ge=1, description="number of shards; null: a power of two that gives 500 to 1,000 records per shard"
    )

    @property
    def reading(self) -> dict:
        """Additional arguments of ``read_record``; empty by default."""
        given = {"lead_names": self.lead_names, "uncalibrated_gain": self.uncalibrated_gain}
        return {key: value for key, value in given.items() if value}

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that the listing of records reads, in `source` or elsewhere."""
        named = self.id_table if self.labels == PTB_XL else self.labels if self.labels != HEADER else None
        return () if named is None else (named,)

    def listing(self) -> dict:
        """The keys that determine the records and their metadata."""
        keys = {"labels", "columns", "delimiter", "label_separator"}
        if self.labels == PTB_XL:
            keys = {"labels", "id_table", "delimiter"} if self.id_table else {"labels", "id_pattern"}
        elif self.labels in (HEADER, None):
            keys = {"labels"} if self.labels else set()
        return self.model_dump(mode="json", include={"kind", "limit", "seed"} | keys)

    def unfit(self, protocol: str) -> str | None:
        """Why a protocol cannot be used (a column is missing), or None."""
        columns = {"patient": self.columns.patient, "folds": self.columns.fold}
        if protocol not in columns or self.labels == PTB_XL:
            return None
        if self.labels not in (None, HEADER) and columns[protocol] is not None:
            return None
        return f"requires columns.{'fold' if protocol == 'folds' else protocol} of a label table"

    @field_validator("classes")
    @classmethod
    def _composed(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if value is None else tuple(normalize("NFC", name) for name in value)  # as labels are compared

    @field_validator("labels")
    @classmethod
    def _spelt_right(cls, value: str | None) -> str | None:
        meant = MISSPELT.get(re.sub("[-_ ]", "", (value or "").lower()))
        if meant not in (None, value):
            raise ValueError(f"did you mean {meant}? For a table named {value}, write ./{value}")
        return value

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "OwnConfig":
        if self.kind == "signals" and self.labels is None:
            raise ValueError("labels: signals require a CSV table of records and labels, or `header`")
        if self.kind == "signals" and self.labels == PTB_XL:
            raise ValueError("labels: ptb-xl is for images; for PTB-XL's signals use the dataset ptb-xl")
        if self.kind == "images":
            if self.labels == HEADER:
                raise ValueError("labels: header is for signals; images have no header")
            keys = ("sampling_rate", "derive_leads", "lead_names", "uncalibrated_gain")
            refused = [key for key in keys if key in self.model_fields_set]
            if refused:
                raise ValueError(f"{', '.join(refused)}: only for kind signals; remove it")
        if self.labels in (None, HEADER, PTB_XL) and "columns" in self.model_fields_set:
            raise ValueError("columns: no label table; set labels")
        check_unique(self.classes or (), prefix="classes: ")
        for name, lead in self.lead_names.items():
            if lead_of(lead) is None:
                raise ValueError(f"lead_names: {name}: {lead!r} is not one of the twelve leads, {', '.join(LEADS)}")
        return self

    @model_validator(mode="after")
    def _fits_its_labels(self) -> "OwnConfig":
        only = {"code_table": HEADER, "id_pattern": PTB_XL, "id_table": PTB_XL}
        for key, labels in only.items():
            if key in self.model_fields_set and self.labels != labels:
                raise ValueError(f"{key}: only with labels: {labels}; remove it")
        if self.labels == PTB_XL:
            if made := [key for key in ("classes", "policy", "min_records") if key in self.model_fields_set]:
                raise ValueError(f"{', '.join(made)}: PTB-XL's labels are made by the section `labels`; remove it")
            if {"id_pattern", "id_table"} <= self.model_fields_set and self.id_table is not None:
                raise ValueError("id_pattern: `id_table` already gives the numbers; remove one of them")
            try:
                groups = re.compile(self.id_pattern).groups
            except re.error as error:
                raise ValueError(f"id_pattern: {self.id_pattern!r} is not a regular expression ({error})") from None
            if groups != 1:
                raise ValueError(f"id_pattern: {self.id_pattern!r} has {groups} groups; it must have one, the number")
        return self
