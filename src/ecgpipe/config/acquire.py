"""Where the data come from."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ecgpipe.config.labels import SUPERCLASSES
from ecgpipe.config.section import Section

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
