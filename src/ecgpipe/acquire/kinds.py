"""The kinds of data sets, as the workflow sees them: where a data set's files are, and what watches them.

Whatever differs between kinds is here, so that the rules name none. Nothing here opens a record.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ecgpipe.acquire import cardiac_layout, hashed_shards, own_layout, ptbxl_layout
from ecgpipe.acquire.ptbxl_layout import DATABASE, STATEMENTS
from ecgpipe.artifacts.source import open_source
from ecgpipe.config.acquire import CardiacImagesConfig, PtbXlConfig, SimulatedConfig
from ecgpipe.config.benchmark import Config
from ecgpipe.config.own import OwnConfig

MADE = "made by the workflow"
"""The stamp of files that the workflow makes itself: their rule watches them."""


class DataSet:
    """One data set.

    Attributes:
        listing: which way its records are listed: ``ptb-xl``, ``cardiac-images`` or ``own``.
        raw: ``signals``, which are drawn, or ``images``, which are collected.
        key: its section in the configuration.
        source: folder or zip archive of the raw files.
        own: whether the raw files were there before the workflow.
        tables: files of the source that the listing reads.
        settings: what else the listing depends on.
        reading: how signals are read (arguments of ``read_record``).
        classes: the classes; None: as the statements' grouping has them; empty: all that there are.
        labels: values of LabelsConfig; None: the section ``labels``.
        copies_from_audit: whether only the audit tells which images are the same file.
    """

    listing: str
    key: str
    raw: str = "signals"
    source: str
    own: bool
    tables: tuple[str, ...] = ()
    settings: Mapping[str, Any]
    reading: Mapping[str, Any]
    classes: tuple[str, ...] | None = None
    labels: Mapping[str, Any] | None = None
    copies_from_audit = False

    def shards(self) -> list[str]:
        """Names of the shards.

        Raises:
            DataError: the source cannot be used.
        """
        raise NotImplementedError

    def stamp(self, shard: str) -> str:
        """Changes when a raw file of the shard does."""
        raise NotImplementedError

    def present(self) -> Any:
        """Changes when the records that the listing finds may do, but for ``files``."""
        raise NotImplementedError

    def files(self) -> list[str]:
        """Files that the listing reads, as far as they are files: all of the source if the workflow made it."""
        if not self.own:
            return [self.source]
        return [str(Path(self.source, name)) for name in self.tables if Path(self.source, name).is_file()]

    def table_marks(self) -> dict[str, str]:
        """What watches those tables that lie in an archive."""
        if not self.own or Path(self.source).is_dir():
            return {}
        source = open_source(self.source)
        return {name: source.mark(name) for name in self.tables if name in source}

    def made(self) -> list[str]:
        """The source, if the workflow makes it."""
        return [] if self.own else [self.source]


class PtbXlLayout(DataSet):
    """PTB-XL, or records in its layout."""

    listing = "ptb-xl"
    tables = (DATABASE, STATEMENTS)

    def __init__(self, name: str, config: PtbXlConfig | SimulatedConfig, source: str, own: bool, highest: int) -> None:
        self.config, self.source, self.own, self.highest = config, source, own, highest
        self.key, self.settings = name.replace("-", "_"), config.listing()
        self.reading = {"sampling_rate": config.sampling_rate, "derive_leads": False}

    def shards(self) -> list[str]:
        """See DataSet."""
        rate, size = self.config.sampling_rate, self.config.shard_size
        return ptbxl_layout.shard_names(self.source if self.own else None, rate, size, self.highest)

    def stamp(self, shard: str) -> str:
        """See DataSet."""
        if not self.own:
            return MADE
        return ptbxl_layout.shard_stamp(self.source, self.config.sampling_rate, shard, self.config.shard_size)

    def present(self) -> str:
        """See DataSet."""
        return ptbxl_layout.listing_stamp(self.source, self.config.sampling_rate) if self.own else MADE


class CardiacImages(DataSet):
    """The ECG Images dataset of Cardiac Patients."""

    listing = "cardiac-images"
    key = "cardiac_images"
    raw = "images"
    classes = cardiac_layout.CLASSES
    labels: Mapping[str, Any] = {"policy": "single"}  # a folder is the label, whatever the policy for statements is

    def __init__(self, config: CardiacImagesConfig, source: str, own: bool) -> None:
        self.config, self.source, self.own = config, source, own
        self.settings = config.listing()
        self.reading = {}

    def shards(self) -> list[str]:
        """See DataSet."""
        return hashed_shards.shard_names(self.config.shards)

    def stamp(self, shard: str) -> str:
        """See DataSet."""
        return self._stamps[shard] if self.own else MADE

    def present(self) -> dict[str, str] | str:
        """See DataSet: also when an image changes, since the listing notes checksums."""
        return self._stamps if self.own else MADE

    @cached_property
    def _stamps(self) -> dict[str, str]:
        return cardiac_layout.source_stamp(self.source, self.config.shards)


class OwnDataSet(DataSet):
    """A data set of one's own."""

    listing = "own"
    own = True

    def __init__(self, name: str, config: OwnConfig) -> None:
        self.key, self.config, self.source, self.raw = f"own.{name}", config, config.source, config.kind
        self.copies_from_audit = config.kind == "images"
        self.tables = (config.labels,) if config.labels else ()
        self.reading = {"sampling_rate": config.sampling_rate, "derive_leads": config.derive_leads}
        self.classes = config.classes or ()
        self.labels = {"policy": config.policy, "min_records": config.min_records}

    @property
    def settings(self) -> dict:
        """See DataSet."""
        return {**self.config.listing(), "shards": self._number}

    @cached_property
    def _number(self) -> int:
        return own_layout.number_of_shards(self.source, self.config.kind, self.config.shards, self.key)

    @cached_property
    def _records(self) -> dict[str, list[str]]:
        return own_layout.present_records(self.source, self.config.kind)

    @cached_property
    def _stamps(self) -> dict[str, str]:
        return hashed_shards.shard_stamps(open_source(self.source), self._records, self._number)

    def files(self) -> list[str]:
        """See DataSet; the table may also lie elsewhere."""
        outside = [name for name in self.tables if name not in open_source(self.source)]
        return [*super().files(), *outside]

    def shards(self) -> list[str]:
        """See DataSet."""
        return hashed_shards.shard_names(self._number)

    def stamp(self, shard: str) -> str:
        """See DataSet."""
        return self._stamps[shard]

    def present(self) -> str:
        """See DataSet."""
        return own_layout.listing_stamp(self._records)


def data_set(config: Config, name: str) -> DataSet:
    """A data set of the configuration."""
    downloaded = f"{config.resources}/{name}"
    if name == "ptb-xl":
        own = config.ptb_xl.source
        return PtbXlLayout(name, config.ptb_xl, own or downloaded, own is not None, ptbxl_layout.HIGHEST_ID)
    if name == "cardiac-images":
        own = config.cardiac_images.source
        return CardiacImages(config.cardiac_images, own or downloaded, own is not None)
    if name == "simulated":
        folder = f"{config.results}/simulated/data"
        return PtbXlLayout(name, config.simulated, folder, False, config.simulated.records)
    return OwnDataSet(name, config.own[name])
