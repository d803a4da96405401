"""The files of ``ecgpipe digitize`` for each page: a WFDB record, JSON, an overlay, and optional tables."""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import wfdb

from ecgpipe.artifacts.files import atomic_path, write_json, write_text
from ecgpipe.artifacts.page_files import Picture
from ecgpipe.artifacts.page_names import RECORD_OTHERS, ResultNames, source_of
from ecgpipe.errors import DataError
from ecgpipe.lead_names import PRINTED_NAMES
from ecgpipe.reader.digitize import Recording, digitize
from ecgpipe.reader.network import ReaderNet
from ecgpipe.reader.output import ROW_COLOURS, write_png
from ecgpipe.reader.templates import Layout

MADE_HERE = "digitized by ecgpipe"
"""Comment in the header of a record; a record without it is never replaced."""
UNITS_PER_MV = 1000.0
MOST = 32.0  # mV that 16 bits can store at this resolution


class RecordFolder:
    """Writes STEM.hea, STEM.dat, STEM.json and STEM-overlay.png for pictures; results of other pictures are kept.

    Args:
        folder: created if missing.
        rate: samples per second.
        csv, parquet: also write STEM.csv or STEM.parquet: a row per sample, time in s and leads in mV.
        layouts, speed, gain: as in ``digitize``.
        inputs: files that are read, which no result replaces.
    """

    def __init__(
        self,
        folder: Path,
        rate: float = 500,
        csv: bool = False,
        parquet: bool = False,
        layouts: Sequence[Layout] | None = None,
        speed: float | None = None,
        gain: float | None = None,
        inputs: Iterable[Path] = (),
    ) -> None:
        self.folder, self.rate, self.csv, self.parquet = folder, rate, csv, parquet
        self.layouts, self.speed, self.gain = layouts, speed, gain
        tables = [end for end, asked in ((".csv", csv), (".parquet", parquet)) if asked]
        self._names = ResultNames(folder, [".json", "-overlay.png", ".hea", ".dat", *tables], inputs, RECORD_OTHERS)

    def write(self, picture: Picture, net: ReaderNet) -> tuple[str, dict]:
        """Digitize a picture and write the results; returns one line about it with its notes, and the JSON's content.

        Raises:
            DataError: the page cannot be digitized, or a record of this name exists that no digitizing has written; the
                message names the picture.
        """
        try:
            recording = digitize(picture.image, net, self.rate, self.layouts, self.speed, self.gain)
        except DataError as error:
            raise DataError(f"{picture.name}: {error}") from error
        stem = self._names.stem(picture.name)
        existing = self.folder / f"{stem}.hea"
        if existing.exists() and f"# {MADE_HERE}" not in existing.read_text(errors="replace").splitlines():
            raise DataError(f"{picture.name}: {existing} exists and is not a digitized page; give another folder")
        self.folder.mkdir(parents=True, exist_ok=True)
        write_record(self.folder / stem, recording.signal, recording.sampling_rate)
        if self.csv:
            write_text(self.folder / f"{stem}.csv", _csv(recording))
        if self.parquet:
            _write_parquet(self.folder / f"{stem}.parquet", recording)
        write_png(self.folder / f"{stem}-overlay.png", line_overlay(recording.page.upright(picture.image), recording))
        summary = {"name": picture.name, "source": source_of(picture.name), "stem": stem} | recording.summary()
        write_json(self.folder / f"{stem}.json", summary)
        seconds = recording.signal.shape[1] / recording.sampling_rate
        text = f"{picture.name}: {recording.page.leads.layout}, {seconds:.1f} s, {recording.gain:g} mm/mV"
        return text + "".join(f"\n  {note}" for note in recording.notes), summary


def write_record(path: Path, signal: np.ndarray, sampling_rate: float) -> None:
    """Write PATH.dat and PATH.hea: 12 leads, mV, 16 bits, 1000 units per mV; NaN as invalid samples.

    Args:
        path: without suffix.
        signal: (12, samples) mV, leads in the usual order.
        sampling_rate: Hz.
    """
    stem = path.name
    with tempfile.TemporaryDirectory(prefix=f".{stem}.", suffix=".partial", dir=path.parent) as partial:
        wfdb.wrsamp(
            "record",
            fs=sampling_rate,
            units=["mV"] * len(PRINTED_NAMES),
            sig_name=list(PRINTED_NAMES),
            p_signal=np.clip(signal.T.astype(float), -MOST, MOST),
            fmt=["16"] * len(PRINTED_NAMES),
            adc_gain=[UNITS_PER_MV] * len(PRINTED_NAMES),
            baseline=[0] * len(PRINTED_NAMES),
            comments=[MADE_HERE],
            write_dir=partial,
        )
        first, *others = (Path(partial) / "record.hea").read_text().splitlines()
        header = [first.replace("record ", f"{stem} ", 1)]
        header += [line.replace("record.dat", f"{stem}.dat", 1) for line in others]
        (Path(partial) / "record.dat").replace(path.with_name(f"{stem}.dat"))
    write_text(path.with_name(f"{stem}.hea"), "\n".join(header) + "\n")


def line_overlay(upright: np.ndarray, recording: Recording) -> np.ndarray:
    """The upright page (h, w, 3), paler, with the digitized lines and the names of the leads."""
    shown = (255 - (255 - upright.astype(np.int16)) // 2).astype(np.uint8)
    mm = recording.page.frame.pixels_per_mm
    for number, (lead, line) in enumerate(zip(recording.leads, recording.lines, strict=True)):
        if not len(line):
            continue
        colour = ROW_COLOURS[number % len(ROW_COLOURS)]
        breaks = np.flatnonzero(np.diff(line[:, 0]) > mm) + 1
        pieces = [np.rint((piece - 0.5) * 16).astype(np.int32) for piece in np.split(line, breaks)]
        cv2.polylines(shown, pieces, False, colour, 1, cv2.LINE_AA, 4)
        text = lead.name if lead.name_read else f"({lead.name})"
        x, y = line[0] + [3, -5 * mm]
        cv2.putText(shown, text, (int(x), int(y)), cv2.FONT_HERSHEY_SIMPLEX, 0.12 * mm, (0, 0, 0), 1, cv2.LINE_AA)
    return shown


def _csv(recording: Recording) -> str:
    """Time in s and leads in mV; empty where there is no sample."""
    rows = [",".join(("time", *PRINTED_NAMES))]
    for sample, values in enumerate(recording.signal.T):
        cells = ("" if np.isnan(value) else f"{value:.4f}" for value in values)
        rows.append(",".join((f"{sample / recording.sampling_rate:.6g}", *cells)))
    return "\n".join(rows) + "\n"


def _write_parquet(path: Path, recording: Recording) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    time = np.arange(recording.signal.shape[1]) / recording.sampling_rate
    columns = {"time": pa.array(time)} | {
        name: pa.array(row, from_pandas=True) for name, row in zip(PRINTED_NAMES, recording.signal, strict=True)
    }
    with atomic_path(path) as partial:
        pq.write_table(pa.table(columns), partial)
