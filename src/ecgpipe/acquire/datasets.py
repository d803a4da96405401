"""The kinds of data sets, as the workflow sees them: where a data set's files are, and what watches them.

Whatever differs between kinds is here, so that the rules name none. Nothing here opens a record.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ecgpipe.acquire import cardiac_images, own, ptbxl, shards
from ecgpipe.acquire.ptbxl import DATABASE, STATEMENTS
from ecgpipe.artifacts.sources import open_source
from ecgpipe.config.data import CardiacImagesConfig, OwnConfig, PtbXlConfig, SimulatedConfig
from ecgpipe.config.schema import Config

MADE = "made by the workflow"
"""The stamp of files that the workflow makes itself: their rule watches them."""


class Dataset:
    """One data set.

    Attributes:
        layout: which way its records are listed: ``ptb-xl``, ``cardiac-images`` or ``own``.
        kind: ``signals``, which are drawn, or ``images``, which are collected.
        key: its section in the configuration.
        source: folder or zip archive of the raw files.
        user_supplied: whether the raw files were there before the workflow.
        tables: files of the source that the listing reads.
        settings: what else the listing depends on.
        read_options: how signals are read (arguments of ``read_record``).
        classes: the classes; None: as the statements' grouping has them; empty: all that there are.
        labels: values of LabelsConfig; None: the section ``labels``.
        duplicates_from_audit: whether only the audit tells which images are the same file.
    """

    layout: str
    key: str
    kind: str = "signals"
    source: str
    user_supplied: bool
    tables: tuple[str, ...] = ()
    settings: Mapping[str, Any]
    read_options: Mapping[str, Any]
    classes: tuple[str, ...] | None = None
    labels: Mapping[str, Any] | None = None
    duplicates_from_audit = False

    def shards(self) -> list[str]:
        """Names of the shards.

        Raises:
            DataError: the source cannot be used.
        """
        raise NotImplementedError

    def raw_files_hash(self, shard: str) -> str:
        """Changes when a raw file of the shard does."""
        raise NotImplementedError

    def listing_hash(self) -> Any:
        """Changes when the records that the listing finds may do, but for ``listing_inputs``."""
        raise NotImplementedError

    def listing_inputs(self) -> list[str]:
        """Files that the listing reads, as far as they are files: all of the source if the workflow made it."""
        if not self.user_supplied:
            return [self.source]
        return [str(Path(self.source, name)) for name in self.tables if Path(self.source, name).is_file()]

    def table_hashes(self) -> dict[str, str]:
        """What watches those tables that lie in an archive."""
        if not self.user_supplied or Path(self.source).is_dir():
            return {}
        source = open_source(self.source)
        return {name: source.mark(name) for name in self.tables if name in source}

    def generated_inputs(self) -> list[str]:
        """The source, if the workflow makes it."""
        return [] if self.user_supplied else [self.source]


class PtbXl(Dataset):
    """PTB-XL, or records in its layout."""

    layout = "ptb-xl"
    tables = (DATABASE, STATEMENTS)

    def __init__(
        self, name: str, config: PtbXlConfig | SimulatedConfig, source: str, user_supplied: bool, highest: int
    ) -> None:
        self.config, self.source, self.user_supplied, self.highest = config, source, user_supplied, highest
        self.key, self.settings = name.replace("-", "_"), config.listing()
        self.read_options = {"sampling_rate": config.sampling_rate, "derive_leads": False}

    def shards(self) -> list[str]:
        """See DataSet."""
        rate, size = self.config.sampling_rate, self.config.shard_size
        return ptbxl.shard_names(self.source if self.user_supplied else None, rate, size, self.highest)

    def raw_files_hash(self, shard: str) -> str:
        """See DataSet."""
        if not self.user_supplied:
            return MADE
        return ptbxl.raw_files_hash(self.source, self.config.sampling_rate, shard, self.config.shard_size)

    def listing_hash(self) -> str:
        """See DataSet."""
        return ptbxl.listing_hash(self.source, self.config.sampling_rate) if self.user_supplied else MADE


class CardiacImages(Dataset):
    """The ECG Images dataset of Cardiac Patients."""

    layout = "cardiac-images"
    key = "cardiac_images"
    kind = "images"
    classes = cardiac_images.CLASSES
    labels: Mapping[str, Any] = {"policy": "single"}  # a folder is the label, whatever the policy for statements is

    def __init__(self, config: CardiacImagesConfig, source: str, user_supplied: bool) -> None:
        self.config, self.source, self.user_supplied = config, source, user_supplied
        self.settings = config.listing()
        self.read_options = {}

    def shards(self) -> list[str]:
        """See DataSet."""
        return shards.shard_names(self.config.shards)

    def raw_files_hash(self, shard: str) -> str:
        """See DataSet."""
        return self._hashes[shard] if self.user_supplied else MADE

    def listing_hash(self) -> dict[str, str] | str:
        """See DataSet: also when an image changes, since the listing notes checksums."""
        return self._hashes if self.user_supplied else MADE

    @cached_property
    def _hashes(self) -> dict[str, str]:
        return cardiac_images.raw_image_hashes(self.source, self.config.shards)


class UserDataset(Dataset):
    """A data set of one's own."""

    layout = "own"
    user_supplied = True

    def __init__(self, name: str, config: OwnConfig) -> None:
        self.key, self.config, self.source, self.kind = f"own.{name}", config, config.source, config.kind
        self.duplicates_from_audit = config.kind == "images"
        self.tables = (config.labels,) if config.labels else ()
        self.read_options = {"sampling_rate": config.sampling_rate, "derive_leads": config.derive_leads}
        self.classes = config.classes or ()
        self.labels = {"policy": config.policy, "min_records": config.min_records}

    @property
    def settings(self) -> dict:
        """See DataSet."""
        return {**self.config.listing(), "shards": self._number}

    @cached_property
    def _number(self) -> int:
        return own.number_of_shards(self.source, self.config.kind, self.config.shards, self.key)

    @cached_property
    def _records(self) -> dict[str, list[str]]:
        return own.present_records(self.source, self.config.kind)

    @cached_property
    def _hashes(self) -> dict[str, str]:
        return shards.raw_files_hashes(open_source(self.source), self._records, self._number)

    def listing_inputs(self) -> list[str]:
        """See DataSet; the table may also lie elsewhere."""
        outside = [name for name in self.tables if name not in open_source(self.source)]
        return [*super().listing_inputs(), *outside]

    def shards(self) -> list[str]:
        """See DataSet."""
        return shards.shard_names(self._number)

    def raw_files_hash(self, shard: str) -> str:
        """See DataSet."""
        return self._hashes[shard]

    def listing_hash(self) -> str:
        """See DataSet."""
        return own.listing_hash(self._records)


def make_dataset(config: Config, name: str) -> Dataset:
    """A data set of the configuration."""
    downloaded = f"{config.resources}/{name}"
    if name == "ptb-xl":
        given = config.ptb_xl.source
        return PtbXl(name, config.ptb_xl, given or downloaded, given is not None, ptbxl.HIGHEST_ID)
    if name == "cardiac-images":
        given = config.cardiac_images.source
        return CardiacImages(config.cardiac_images, given or downloaded, given is not None)
    if name == "simulated":
        folder = f"{config.results}/simulated/data"
        return PtbXl(name, config.simulated, folder, False, config.simulated.records)
    return UserDataset(name, config.own[name])
