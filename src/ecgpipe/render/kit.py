"""Render with ECG-Image-Kit: write a record in its format, then read the page and JSON file that it draws.

The kit (https://github.com/alphanumericslab/ecg-image-kit, BSD-3) is a separate program with its own dependencies. One
process draws the pages of a shard, record by record (``kit_driver``). The kit draws every ``.dat`` file below the
input folder and writes ``NAME-0.png`` and ``NAME-0.json`` below the output folder.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import wfdb

from ecgpipe.artifacts.files import write_text
from ecgpipe.artifacts.pages import StoredPage, write_pages
from ecgpipe.artifacts.signals import LEADS
from ecgpipe.artifacts.tables import ProblemList
from ecgpipe.config.kit import find_kit, find_python, kit_hash
from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import ConfigError, DataError, RecordError
from ecgpipe.lead_names import PRINTED_NAMES
from ecgpipe.progress import progress
from ecgpipe.render.kit_process import KitProcess

KEPT = ("lead_name", "lead_bounding_box", "start_sample", "end_sample")
PAGE_KEYS = ("sampling_frequency", "width", "height", "resolution")
SECONDS = 10  # shown on the kit's page
STEPS_PER_MV = 1e6  # of the 32-bit samples in the kit's files: up to 2147 mV
FAILED = "kit-failed"


def kit_options(config: RenderConfig) -> list[str]:
    """The options of the kit's command line for these pages."""
    options = ["-r", str(round(config.dpi)), "--store_config", "2", "--lead_bbox"]
    options += ["--calibration_pulse", str(int(config.pulse)), "--random_grid_present", str(int(config.grid))]
    options += ["--lead_name_bbox"] if config.lead_names else ["--remove_lead_names"]
    return options + config.kit_options.arguments


def write_kit_record(folder: Path, name: str, signal: np.ndarray, rate: float) -> None:
    """Write ``NAME.hea`` and ``NAME.dat`` as the kit expects them: 12 leads, mV, one page long.

    Args:
        folder: an existing folder.
        name: letters, digits, - and _.
        signal: (12, samples) in mV, leads in the order of ``LEADS``; all samples finite.
        rate: Hz.

    Raises:
        ValueError: shorter than a page.
    """
    samples = int(rate * SECONDS)  # as the kit counts them
    if signal.shape[1] < samples:
        raise ValueError(f"{signal.shape[1] / rate:.2f} s; ECG-Image-Kit's page shows {SECONDS} s")
    if not np.isfinite(signal[:, :samples]).all():
        raise ValueError("samples that are not finite; ECG-Image-Kit cannot show gaps")
    signal = signal[:, :samples]
    highest = float(np.abs(signal).max())
    # samples of common files are whole multiples of the step, so the kit reads exactly the same numbers
    steps = STEPS_PER_MV / 10.0 ** max(0, np.ceil(np.log10(max(highest, 1e-9) / 2000)))
    wfdb.wrsamp(
        name,
        fs=int(rate) if rate == int(rate) else rate,
        units=["mV"] * len(LEADS),
        sig_name=list(PRINTED_NAMES),
        d_signal=np.rint(signal.T * steps).astype(np.int32),
        fmt=["32"] * len(LEADS),
        adc_gain=[steps] * len(LEADS),
        baseline=[0] * len(LEADS),
        write_dir=str(folder),
    )


def read_kit_page(json_file: Path, record_id: str) -> StoredPage:
    """Read a page that the kit wrote; its image is not re-encoded.

    Args:
        json_file: ``NAME-0.json``, beside ``NAME-0.png``; written with ``--store_config 2``.
        record_id: of the record.

    Returns:
        The page. Its boxes have the key ``ecg_image_kit``: all that the kit states about the page except its leads.

    Raises:
        RecordError: a file is missing or unreadable, or has no lead boxes.
    """
    image_file = json_file.with_suffix(".png")
    try:
        facts, image = json.loads(json_file.read_text()), image_file.read_bytes()
        boxes = {key: facts[key] for key in PAGE_KEYS}
        leads = facts["leads"]
        if "lead_name" not in leads[-1]:  # without lead names the kit does not name the rhythm strip, its last lead
            leads[-1]["lead_name"] = facts["full_mode_lead"]
        boxes["leads"] = [
            # without lead names the kit writes no text boxes
            {key: lead[key] for key in KEPT} | {"text_bounding_box": lead.get("text_bounding_box", {})}
            for lead in leads
        ]
    except FileNotFoundError as error:
        raise RecordError(record_id, str(error.filename), "missing-page", "ECG-Image-Kit wrote no such file") from error
    except (OSError, ValueError, LookupError, TypeError) as error:
        detail = f"not a page description of ECG-Image-Kit ({type(error).__name__}: {error})"
        raise RecordError(record_id, str(json_file), "broken-page", detail) from error
    boxes["ecg_image_kit"] = {key: value for key, value in facts.items() if key not in (*PAGE_KEYS, "leads")}
    return StoredPage(record_id, image, json.dumps(boxes))


class KitPages:
    """The kit's pages of records, kept in a folder until the shard is complete, so that a stopped job can continue.

    Args:
        config: appearance of the pages.
        folder: of finished pages and of the kit's files; created if missing.
    """

    def __init__(self, config: RenderConfig, folder: Path) -> None:
        self.config, self.folder, self.options = config, folder, kit_options(config)
        try:
            self.kit, self.python = find_kit(config.kit_path), find_python(config.kit_python)
            self.version = kit_hash(config.kit_path)
        except ValueError as error:
            raise ConfigError(f"render.{error}") from error
        folder.mkdir(parents=True, exist_ok=True)
        self._process: KitProcess | None = None

    def page(self, record_id: str, path: str, signal: np.ndarray, rate: float) -> StoredPage:
        """The page of a record: drawn now, or kept from an earlier job.

        Args:
            record_id: determines the random choices, together with the seed.
            path: name of the record; the kit prints its last part.
            signal, rate: as ``read_record`` returns them.

        Raises:
            RecordError: the record does not fit the page, or the kit fails on it or writes no page.
            DataError: the kit does not start, stops, or takes too long.
        """
        seed = _seed_of(self.config.kit_options.seed, record_id)
        name = re.sub(r"[^A-Za-z0-9_-]", "_", PurePosixPath(path).name) or "record"
        stated = json.dumps([self.version, self.options, seed, name, rate])
        key = hashlib.sha256(stated.encode() + np.ascontiguousarray(signal).tobytes()).hexdigest()
        image, boxes = (self.folder / f"{key}.{suffix}" for suffix in ("png", "json"))
        if not boxes.is_file():
            page = self._draw(record_id, path, name, signal, rate, seed)
            image.write_bytes(page.image)
            write_text(boxes, page.boxes)  # last, since this file marks the page as complete
        return StoredPage(record_id, image.read_bytes(), boxes.read_text())

    def _draw(self, record_id: str, path: str, name: str, signal: np.ndarray, rate: float, seed: int) -> StoredPage:
        work = self.folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        inputs, outputs = work / "record", work / "page"
        inputs.mkdir(parents=True)
        outputs.mkdir()
        try:
            write_kit_record(inputs, name, signal, rate)
        except ValueError as error:
            raise RecordError(record_id, path, "unfit-for-layout", str(error)) from error
        if self._process is None:
            self._process = KitProcess(self.python, self.kit, self.options, self.folder, self.config.kit_timeout)
        if error := self._process.draw(f"record {record_id}", inputs, outputs, seed):
            raise RecordError(record_id, path, FAILED, f"ECG-Image-Kit failed: {error}")
        return read_kit_page(outputs / f"{name}-0.json", record_id)

    def close(self) -> None:
        """Stop the kit; finished pages stay."""
        if self._process is not None:
            self._process.close()

    def remove(self) -> None:
        """Delete the finished pages."""
        shutil.rmtree(self.folder, ignore_errors=True)


def render_shard_with_kit(
    rows: Sequence[tuple[str, str]],
    read: Callable[[tuple[str, str]], tuple[np.ndarray, float]],
    config: RenderConfig,
    pages_file: Path | str,
    problems_file: Path | str,
    problems: ProblemList,
    title: str,
) -> int:
    """Render a shard with the kit; unusable records and those on which it fails are listed in the problems table.

    Result and files as for ``ecgpipe.render.shard.render_shard``. Finished pages are in a hidden folder beside
    ``pages_file`` until all are written.

    Args:
        rows: ids and paths of the shard's records.
        read: the signal of one of them and its sampling rate, as ``read_record`` returns them.
        config: appearance of the pages.
        pages_file, problems_file: output files.
        problems: takes the problems.
        title: of the progress bar.

    Raises:
        DataError: as ``KitPages.page``; or the kit failed on every record.
        ConfigError: the kit or its interpreter is missing.
    """
    pages_file = Path(pages_file)
    kit = KitPages(config, pages_file.with_name(f".{pages_file.name}.kit"))

    def pages() -> Iterator[StoredPage]:
        drawn, failures = 0, []
        for row in progress(rows, title, len(rows)):
            try:
                page = kit.page(*row, *read(row))
            except RecordError as error:
                problems.add(error)
                if error.problem == FAILED:
                    failures.append(error)
                continue
            drawn += 1
            yield page
        if failures and not drawn:
            raise DataError(f"ECG-Image-Kit failed on every record, first: {failures[0]}")

    try:
        count = write_pages(pages(), pages_file)
    finally:
        kit.close()
    problems.write(problems_file)
    kit.remove()
    return count


def _seed_of(seed: int, record_id: str) -> int:
    """31 bits of a hash, so that a page does not depend on the other records."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{record_id}".encode()).digest()[:4]) >> 1
