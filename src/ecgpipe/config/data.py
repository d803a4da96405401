"""Where the data come from, how statements become labels, and how records are split."""

import re
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from ecgpipe.config.base import Section, Seed, Sha256

SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
CHALLENGE = "challenge-2024"
CHALLENGE_CLASSES = (
    "NORM", "Acute MI", "Old MI", "STTC", "CD", "HYP", "PAC", "PVC", "AFIB/AFL", "TACHY", "BRADY"
)  # fmt: skip
"""Classes of the PhysioNet Challenge 2024."""
GROUPINGS = ("superclass", "subclass", "diagnostic", "form", "rhythm", "all", CHALLENGE)
PROTOCOLS = ("paper", "patient", "folds", "unique")
PROTOCOL_PATTERN = re.compile(rf"({'|'.join(PROTOCOLS)})(?:-cv([1-9]\d*)-([1-9]\d*))?")
"""A protocol's name in files and runs: a plain protocol, or one fold of a cross-validation."""
CROSS_VALIDATION = re.compile(rf"({'|'.join(PROTOCOLS)})-cv([1-9]\d*)")
RESERVED = ("ptb-xl", "cardiac-images", "simulated", "report", "logs", "benchmarks", "external")
"""Names in the results folder, or keys of `benchmark`, that user datasets cannot have."""

WebAddress = Annotated[str, StringConstraints(pattern=r"^(https?|s3)://")]
DatasetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=60)]


class PtbXlConfig(Section):
    """PTB-XL, complete or in part, in PhysioNet's layout."""

    source: str | None = Field(
        None,
        min_length=1,
        description="folder in PhysioNet's layout, or a zip archive of it, read in place; null: download the release "
        "into `resources`",
    )
    fetch: Literal["archive", "files"] = Field(
        "archive",
        description="archive: download one zip file with both sampling rates; files: only the files of `sampling_rate`",
    )
    version: Literal["1.0.1", "1.0.3"] = Field("1.0.3", description="release to download")
    url: WebAddress | None = Field(
        None,
        description="http(s) or s3 address of the zip archive or, with `fetch: files`, of the folder with "
        "SHA256SUMS.txt; null: PhysioNet's address of `version`",
    )
    sha256: Sha256 | None = Field(None, description="checksum of the archive; null: check only the files inside it")
    plus: str | None = Field(
        None,
        min_length=1,
        description="folder of PTB-XL+, or a zip archive of it; the grouping challenge-2024 needs it to separate acute "
        "from old infarctions; null: all count as old",
    )
    sampling_rate: Literal[100, 500] = Field(100, description="Hz; PTB-XL has every signal at both rates")
    limit: int | None = Field(None, ge=1, description="use a random sample of this many records; null: all")
    seed: Seed = Field(0, description="seed of that sample")
    shard_size: int = Field(1000, ge=1, description="record numbers per shard, the unit of work")

    @property
    def address(self) -> str:
        """Address of the archive or, with ``fetch: files``, of the folder."""
        if self.fetch == "files":
            return self.url or f"https://physionet.org/files/ptb-xl/{self.version}/"
        name = f"ptb-xl-a-large-publicly-available-electrocardiography-dataset-{self.version}.zip"
        return self.url or f"https://physionet.org/static/published-projects/ptb-xl/{name}"

    def listing(self) -> dict:
        """The keys that decide which records there are."""
        return self.model_dump(include={"sampling_rate", "shard_size", "limit", "seed"})

    @model_validator(mode="after")
    def _checksum_is_used(self) -> "PtbXlConfig":
        if self.sha256 is not None and self.fetch == "files":
            raise ValueError("sha256: fetch: files downloads no archive to check; remove it, or set fetch: archive")
        return self


class CardiacImagesConfig(Section):
    """The ECG Images dataset of Cardiac Patients: images in four class folders."""

    source: str | None = Field(
        None,
        min_length=1,
        description="folder with the four class folders, or a zip archive of it, read in place; null: download it",
    )
    url: WebAddress = Field(
        "https://data.mendeley.com/public-api/zip/gwbz3fsgp8/download/2", description="http(s) address of the archive"
    )
    sha256: Sha256 | None = Field(None, description="checksum of the archive; null: check only that it unpacks")
    files: int | None = Field(
        928, ge=1, description="expected number of images; any other number stops the run; null: accept any number"
    )
    limit: int | None = Field(None, ge=1, description="use a random sample of this many images; null: all")
    seed: Seed = Field(0, description="seed of that sample")

    def unfit(self, protocol: str) -> str | None:
        """Why a protocol cannot be used, or None."""
        if protocol in ("patient", "folds"):
            return "requires patients or folds, which this dataset does not have; allowed are paper and unique"
        return None

    def listing(self) -> dict:
        """The keys that decide which images there are."""
        return {"expected": self.files, "limit": self.limit, "seed": self.seed}


class SimulatedConfig(Section):
    """Simulated records in PTB-XL's layout, with known findings."""

    records: int = Field(240, ge=10, description="number of records")
    seed: Seed = Field(0, description="seed of all records")
    sampling_rate: Literal[100, 500] = Field(100, description="Hz")
    shard_size: int = Field(1000, ge=1, description="record numbers per shard, the unit of work")
    mix: Literal["ptb-xl", "balanced"] = Field(
        "ptb-xl",
        description="ptb-xl: superclasses combined as often as in PTB-XL; balanced: one per record, equally often",
    )
    difficulty: float = Field(
        0.25, ge=0, le=1, description="share of findings that fall short of their textbook criterion"
    )

    def listing(self) -> dict:
        """The keys that decide which records there are."""
        return self.model_dump(include={"sampling_rate", "shard_size"})

    def class_mix(self) -> dict[tuple[str, ...], float] | None:
        """Relative frequency of each set of superclasses; None: the simulator's default, PTB-XL's."""
        return {(name,): 1.0 for name in SUPERCLASSES} if self.mix == "balanced" else None


class LabelsConfig(Section):
    """How diagnostic statements become labels (PTB-XL and simulated records)."""

    policy: Literal["single", "primary", "multilabel"] = Field(
        "single",
        description="single: keep records with exactly one class; primary: the class with the highest likelihood; "
        "multilabel: all classes of a record",
    )
    grouping: str = Field(
        "superclass",
        min_length=1,
        description="which statements count, and as which class: superclass, subclass; diagnostic, form, rhythm or all "
        "(each statement is a class); challenge-2024 (the classes of that PhysioNet Challenge); or a CSV file "
        "with the columns statement and class",
    )
    min_records: int = Field(1, ge=1, description="drop classes with fewer records")
    min_likelihood: float = Field(0, ge=0, le=100, description="percent; ignore statements with a lower likelihood")
    zero_likelihood: Literal["unknown", "absent"] = Field(
        "unknown",
        description="PTB-XL writes likelihood 0 if the reader gave none; unknown: keep the statement, as "
        "the least likely one; absent: ignore it",
    )
    tie_order: tuple[str, ...] | None = Field(
        None,
        description="primary: order in which classes win ties; classes that are not listed follow in the grouping's "
        "order, NORM last; null: that order for all",
    )

    @model_validator(mode="after")
    def _grouping_exists(self) -> "LabelsConfig":
        if self.grouping not in GROUPINGS and not self.grouping.endswith(".csv"):
            raise ValueError(f"grouping {self.grouping!r}: allowed are {', '.join(GROUPINGS)} or a CSV file's path")
        unknown = [name for name in self.tie_order or () if name not in SUPERCLASSES]
        if self.grouping == "superclass" and unknown:
            raise ValueError(f"tie_order: no superclass: {', '.join(unknown)}; allowed are {', '.join(SUPERCLASSES)}")
        return self


def protocol_parts(protocol: str) -> tuple[str, ...]:
    """The splits of a protocol: itself, or ``patient-cv5-1`` to ``patient-cv5-5`` of ``patient-cv5``.

    Raises:
        ValueError: unknown protocol.
    """
    if protocol in PROTOCOLS:
        return (protocol,)
    if (match := CROSS_VALIDATION.fullmatch(protocol)) and 3 <= int(match[2]) <= 20:
        return tuple(f"{protocol}-{part}" for part in range(1, int(match[2]) + 1))
    raise ValueError(
        f"{protocol!r} is not a protocol; allowed are {', '.join(PROTOCOLS)} and, for cross-validation with 3 to 20 "
        "parts, names like patient-cv5"
    )


def base_protocol(protocol: str) -> str:
    """``patient`` of ``patient``, ``patient-cv5`` and ``patient-cv5-2``."""
    return protocol.partition("-")[0]


def whole_protocol(protocol: str) -> str:
    """``patient-cv5`` for its part ``patient-cv5-2``; other protocols unchanged."""
    match = PROTOCOL_PATTERN.fullmatch(protocol)
    return f"{match[1]}-cv{match[2]}" if match and match[2] else protocol


class SplitConfig(Section):
    """Shares and folds of the split protocols."""

    paper_validation: float = Field(
        0.2, gt=0, lt=1, description="paper: share of validation records, used for early stopping and also scored"
    )
    validation: float = Field(0.1, ge=0.01, lt=1, description="patient, unique: share of validation records")
    test: float = Field(0.1, ge=0.01, lt=1, description="patient, unique: share of test records")
    validation_fold: int = Field(9, ge=1, le=10, description="folds: the fold used for early stopping")
    test_fold: int = Field(10, ge=1, le=10, description="folds: the fold on which scores are reported")
    duplicates: Literal["near", "identical"] = Field(
        "near",
        description="unique: duplicates to keep on one side of the split. near: also near-identical ones; identical: "
        "only byte-identical ones",
    )

    def of(self, protocol: str) -> dict[str, float | str]:
        """The keys that a protocol depends on."""
        base = base_protocol(protocol)
        if protocol != base:
            return self.model_dump(include={"duplicates"} if base == "unique" else set())
        keys = {
            "paper": {"paper_validation"},
            "folds": {"validation_fold", "test_fold"},
            "unique": {"validation", "test", "duplicates"},
        }
        return self.model_dump(include=keys.get(base, {"validation", "test"}))

    @model_validator(mode="after")
    def _records_left_for_training(self) -> "SplitConfig":
        if self.validation + self.test >= 1:
            raise ValueError("validation + test leave nothing to train on; their sum must be below 1")
        if self.validation_fold == self.test_fold:
            raise ValueError("validation_fold and test_fold must differ")
        return self
