"""How statements become targets.

Where the data come from.

Data sets of one's own: signals or images, with labels in a table or in the names of folders.

How records are divided into training, validation and test.
"""

import re
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from ecgpipe.config.base import Section

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


Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
WebAddress = Annotated[str, StringConstraints(pattern=r"^(https?|s3)://")]


class PtbXlConfig(Section):
    """PTB-XL, or any partial copy of it in PhysioNet's layout."""

    source: str | None = Field(
        None,
        min_length=1,
        description="folder in PhysioNet's layout, or a zip archive of one, which is read in place; null downloads the "
        "release below into `resources`",
    )
    fetch: Literal["archive", "files"] = Field(
        "archive",
        description="archive: one zip file, both sampling rates; files: only those of `sampling_rate`, one by one",
    )
    connections: int = Field(4, ge=1, le=16, description="files: how many at a time")
    version: Literal["1.0.1", "1.0.3"] = Field("1.0.3", description="which release to download")
    url: WebAddress | None = Field(
        None,
        description="http(s) or s3 address of the release's zip archive, or for `fetch: files` of the folder with "
        "its SHA256SUMS.txt; null: PhysioNet's own for `version`",
    )
    sha256: Sha256 | None = Field(None, description="checksum of the archive; null checks only the files inside it")
    sampling_rate: Literal[100, 500] = Field(100, description="Hz; which of the two published signals to draw")
    limit: int | None = Field(
        None, ge=1, description="use only this many records, a random sample that depends on `seed` alone"
    )
    seed: int = Field(0, ge=0, description="seeds the choice of the sample")
    shard_size: int = Field(1000, ge=1, description="record numbers per shard: the unit of work and of rerunning")

    @property
    def address(self) -> str:
        """Where the release is downloaded from: an archive, or a folder."""
        if self.fetch == "files":
            return self.url or f"https://physionet.org/files/ptb-xl/{self.version}/"
        name = f"ptb-xl-a-large-publicly-available-electrocardiography-dataset-{self.version}.zip"
        return self.url or f"https://physionet.org/static/published-projects/ptb-xl/{name}"

    def listing(self) -> dict:
        """The settings that decide which records there are."""
        return self.model_dump(include={"sampling_rate", "shard_size", "limit", "seed"})


class CardiacImagesConfig(Section):
    """The ECG Images dataset of Cardiac Patients: four folders of images."""

    source: str | None = Field(
        None,
        min_length=1,
        description="folder that holds the four class folders, or a zip archive of it, which is read in place; null "
        "downloads the archive",
    )
    url: WebAddress = Field(
        "https://data.mendeley.com/public-api/zip/gwbz3fsgp8/download/2",
        description="http(s) address of a zip archive of the data set",
    )
    sha256: Sha256 | None = Field(None, description="checksum of the archive; null checks that it unpacks")
    files: int | None = Field(
        928, ge=1, description="number of images expected; another number stops the run; null accepts any"
    )
    limit: int | None = Field(None, ge=1, description="use only this many images, a random sample (see ptb_xl)")
    seed: int = Field(0, ge=0, description="seeds the choice of the sample")
    shards: int = Field(4, ge=1, description="number of shards")

    def unfit(self, protocol: str) -> str | None:
        """Why a protocol does not fit."""
        if protocol in ("patient", "folds"):
            return "would need patients or folds, which this data set does not name; allowed are paper and unique"
        return None

    def listing(self) -> dict:
        """The settings that decide which images there are."""
        return {"shards": self.shards, "expected": self.files, "limit": self.limit, "seed": self.seed}


class SimulatedConfig(Section):
    """Simulated records in PTB-XL's layout, with known truth."""

    records: int = Field(240, ge=10, description="number of records")
    seed: int = Field(0, ge=0, description="seeds every record")
    sampling_rate: Literal[100, 500] = Field(100, description="Hz")
    shard_size: int = Field(1000, ge=1, description="record numbers per shard")
    mix: Literal["ptb-xl", "balanced"] = Field(
        "ptb-xl", description="how often each set of superclasses occurs: as in PTB-XL, or one superclass each, equally"
    )
    difficulty: float = Field(
        0.25, ge=0, le=1, description="share of findings that fall short of their textbook criterion"
    )

    def listing(self) -> dict:
        """The settings that decide which records there are."""
        return self.model_dump(include={"sampling_rate", "shard_size"})

    def class_mix(self) -> dict[tuple[str, ...], float] | None:
        """Relative frequency of each set of superclasses; None: the simulator's own, PTB-XL's."""
        return {(name,): 1.0 for name in SUPERCLASSES} if self.mix == "balanced" else None


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


PROTOCOLS = ("paper", "patient", "folds", "unique")
CROSS_VALIDATED = re.compile(rf"({'|'.join(PROTOCOLS)})-cv([1-9]\d*)")
PROTOCOL_PATTERN = re.compile(rf"({'|'.join(PROTOCOLS)})(?:-cv([1-9]\d*)-([1-9]\d*))?")
"""A protocol as files and runs name it: plain, or one part of a cross-validation."""


def protocol_parts(protocol: str) -> tuple[str, ...]:
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


def base_protocol(protocol: str) -> str:
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
    duplicates: Literal["near", "identical"] = Field(
        "near",
        description="unique: what stays on one side: near-identical copies too, or byte-identical ones only",
    )

    def of(self, protocol: str) -> dict[str, float | str]:
        """The keys that a protocol depends on."""
        base, cross_validated = base_protocol(protocol), protocol != base_protocol(protocol)
        if cross_validated:
            return self.model_dump(include={"duplicates"} if base == "unique" else set())
        keys = {
            "paper": {"paper_validation"},
            "folds": {"validation_fold", "test_fold"},
            "unique": {"validation", "test", "duplicates"},
        }
        return self.model_dump(include=keys.get(base, {"validation", "test"}))

    @model_validator(mode="after")
    def _something_is_left(self) -> "SplitConfig":
        if self.validation + self.test >= 1:
            raise ValueError("validation + test leave nothing to train on; their sum must be below 1")
        if self.validation_fold == self.test_fold:
            raise ValueError("validation_fold and test_fold must differ")
        return self
