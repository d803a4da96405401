"""Reading a 12-lead signal from WFDB files or a DICOM file; every problem is reported by name."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np
import wfdb

from ecgpipe.artifacts.dicom import is_recording, read_leads
from ecgpipe.artifacts.sources import Source
from ecgpipe.artifacts.wfdb_header import GAP, Header, check_length, find_header, read_header, readable
from ecgpipe.errors import DataError, RecordError
from ecgpipe.lead_names import LEADS, find_leads

MILLIVOLTS = {
    "mv": 1.0,
    "millivolt": 1.0,
    "uv": 1e-3,
    "microvolt": 1e-3,
    "nv": 1e-6,
    "nanovolt": 1e-6,
    "v": 1e3,
    "volt": 1e3,
}
LOWEST_RATE, HIGHEST_RATE = 1.0, 1e6
"""Hz, far beyond those of recordings, which bound the work of resampling."""
WFDB_GAIN = 200  # ADC units per mV that the WFDB library assumes for an uncalibrated signal
LARGEST, SMALLEST = 100.0, 0.05
"""mV from peak to peak: no lead reaches the first, and the largest lead of a record exceeds the second. A wrong unit (a
factor of 1000) violates one of them; 16-bit recordings at 1 µV, such as PTB-XL's, reach at most 65.5 mV."""
DERIVED = {
    "III": lambda one, two: two - one,
    "AVR": lambda one, two: -(one + two) / 2,
    "AVL": lambda one, two: one - two / 2,
    "AVF": lambda one, two: two - one / 2,
}
"""The limb leads that are computed from I and II (Einthoven, Goldberger)."""
Fail = Callable[[str, str, Path], RecordError]


class _Expected(NamedTuple):
    """Arguments of ``read_signal``."""

    sampling_rate: float | None
    lead_names: Mapping[str, str] | None
    uncalibrated_gain: float | None


@dataclass(frozen=True)
class Channels:
    """The leads of one segment.

    Attributes:
        rows: lead -> (samples,) float64 in mV.
        rate: Hz.
        samples: number of samples.
        present: names of all signals, for messages.
        file: the first data file.
    """

    rows: dict[str, np.ndarray]
    rate: float
    samples: int
    present: list[str]
    file: Path


def read_record(
    source: Source,
    path: str,
    record_id: str,
    sampling_rate: float | None = None,
    derive_leads: bool = False,
    lead_names: Mapping[str, str] | None = None,
    uncalibrated_gain: float | None = None,
) -> tuple[np.ndarray, float]:
    """``read_signal`` for a record in a folder or a zip archive.

    Args:
        source: the raw files.
        path: name of the record there, without suffix.
        record_id, sampling_rate, derive_leads, lead_names, uncalibrated_gain: as for ``read_signal``.

    Raises:
        RecordError: as ``read_signal``, or a file is damaged: in an archive, or by the SHA256SUMS.txt.
        SourceError: a file differs from it or is missing, and the workflow made the source.
    """
    try:
        with source.record(path) as local:
            recording = read_signal(local, record_id, sampling_rate, derive_leads, lead_names, uncalibrated_gain)
    except RecordError as error:
        with suppress(DataError, OSError):  # the reader's message says more
            source.check_record(path)
        file = str(PurePath(path).with_name(PurePath(error.file).name).as_posix())
        raise RecordError(record_id, source.full_name(file), error.problem, error.detail) from error
    except DataError as error:  # a file of an archive is damaged or too large
        where, _, detail = str(error).partition(": ")
        raise RecordError(record_id, where, "unreadable-signal", detail) from error
    try:
        source.check_record(path)
    except DataError as error:
        where, _, detail = str(error).partition(": ")
        raise RecordError(record_id, where, "checksum", detail) from error
    return recording


def read_signal(
    path: Path | str,
    record_id: str,
    sampling_rate: float | None = None,
    derive_leads: bool = False,
    lead_names: Mapping[str, str] | None = None,
    uncalibrated_gain: float | None = None,
) -> tuple[np.ndarray, float]:
    """Read a record and check it.

    Args:
        path: name of the record, without suffix; or a DICOM file.
        record_id: for messages.
        sampling_rate: Hz that the header must state; None accepts any.
        derive_leads: compute III, aVR, aVL and aVF from I and II if they are missing.
        lead_names: additional names of leads (``lead_names.find_leads``).
        uncalibrated_gain: ADC units per mV of signals whose header states gain 0 or none; None refuses them.

    Returns:
        The signal, (12, samples) float64 in mV, leads in the order of LEADS, and its sampling rate in Hz.

    Raises:
        RecordError: a file is missing, unreadable or truncated; the header disagrees with the data or the expectation;
            a lead is missing, flat, has NaN samples or an amplitude that no recording has.
    """
    path = Path(path)

    def broken(problem: str, detail: str, file: Path) -> RecordError:
        return RecordError(record_id, str(file), problem, detail)

    expected = _Expected(sampling_rate, lead_names, uncalibrated_gain)
    if is_recording(path):
        channels = _dicom_channels(path, expected, broken)
        return _twelve(channels, derive_leads, path, broken), channels.rate
    header = _header(path, broken)
    channels = _joined(header, expected, broken) if header.segmented else _channels(header, expected, broken)
    return _twelve(channels, derive_leads, header.file, broken), channels.rate


def _dicom_channels(path: Path, expected: _Expected, broken: Fail) -> Channels:
    """The leads of a DICOM recording."""
    try:
        rows, rate, present = read_leads(path, expected.lead_names)
    except (DataError, OSError) as error:
        raise broken("unreadable-signal", str(error), path) from error
    _check_rate(rate, expected, broken, path)
    factors = _factors({lead: unit for lead, (_, unit) in rows.items()}, expected, broken, path)
    scaled = {lead: row * factors[lead] for lead, (row, _) in rows.items()}
    samples = len(next(iter(rows.values()))[0]) if rows else 0
    return Channels(scaled, rate, samples, present, path)


def _check_rate(rate: float, expected: _Expected, broken: Fail, file: Path) -> None:
    if not LOWEST_RATE <= rate < HIGHEST_RATE:
        raise broken("unreadable-header", f"the header states {rate:g} Hz", file)
    if expected.sampling_rate is not None and rate != expected.sampling_rate:
        raise broken("sampling-rate", f"the header states {rate:g} Hz, expected {expected.sampling_rate:g} Hz", file)


def _factors(units: Mapping[str, str], expected: _Expected, broken: Fail, file: Path) -> dict[str, float]:
    """The factor that converts each lead's samples to mV. Units are empty for ADC units of an uncalibrated lead."""
    if wrong := sorted({unit for unit in units.values() if unit and unit.casefold() not in MILLIVOLTS}):
        raise broken("units", f"units {wrong} are not volts", file)
    uncalibrated = [lead for lead, unit in units.items() if not unit]
    gain = expected.uncalibrated_gain
    if uncalibrated and gain is None:
        raise broken(
            "uncalibrated",
            f"lead {', '.join(uncalibrated)} is uncalibrated: the header states gain 0 or none; set uncalibrated_gain "
            "(predict, render, preprocess: --uncalibrated-gain), the ADC units per mV (WFDB's programs assume "
            f"{WFDB_GAIN})",
            file,
        )
    adc_unit = 1 / gain if gain else np.nan
    return {lead: MILLIVOLTS[unit.casefold()] if unit else adc_unit for lead, unit in units.items()}


def _header(path: Path, broken: Fail) -> Header:
    file = find_header(path)
    if file is None:
        raise broken("missing-header", "no such file", path.with_name(path.name + ".hea"))
    try:
        return read_header(file)
    except OSError as error:
        raise broken("unreadable-header", f"cannot be read ({error.strerror or error})", file) from error
    except ValueError as error:
        raise broken("unreadable-header", str(error), file) from error


def _joined(master: Header, expected: _Expected, broken: Fail) -> Channels:
    """The leads of a record of several segments; NaN where a segment lacks one."""
    parts: list[tuple[int, Channels | None]] = []
    for name, samples in master.segments:
        if name == GAP:
            parts.append((samples, None))
        elif samples:  # 0: the layout, which has no samples
            try:
                segment = _header(master.file.with_name(name), broken)
            except ValueError as error:  # not the name of a file
                raise broken(
                    "unreadable-header", f"its segment {name[:80]!r} is not in its folder", master.file
                ) from error
            if segment.segmented:
                raise broken("unreadable-header", "a segment that consists of segments", segment.file)
            part = _channels(segment, expected, broken)
            if part.samples != samples:
                detail = f"segment {name} has {part.samples} samples, here {samples} are stated"
                raise broken("header-mismatch", detail, master.file)
            parts.append((samples, part))
    read = [part for _, part in parts if part is not None]
    if not read:
        raise broken("unreadable-header", "none of its segments has samples", master.file)
    if len({part.rate for part in read}) > 1:
        raise broken("sampling-rate", "its segments have different sampling rates", master.file)
    total = sum(samples for samples, _ in parts)
    try:
        check_length(total, sum(len(LEADS) * part.samples for part in read))
    except ValueError as error:
        raise broken("unreadable-header", str(error), master.file) from error
    if master.samples not in (0, total):
        raise broken("header-mismatch", f"states {master.samples} samples, its segments have {total}", master.file)
    rows = {lead: np.full(total, np.nan) for lead in LEADS if any(lead in part.rows for part in read)}
    start = 0
    for samples, piece in parts:
        for lead, row in piece.rows.items() if piece is not None else ():
            rows[lead][start : start + samples] = row
        start += samples
    return Channels(rows, read[0].rate, total, read[0].present, read[0].file)


def _channels(header: Header, expected: _Expected, broken: Fail) -> Channels:
    """The leads of a record without segments."""
    with readable(header) as (local, files):
        return _read_channels(header, local, files, expected, broken)


def _read_channels(source: Header, local: Path, files: Mapping[str, Path], expected: _Expected, fail: Fail) -> Channels:
    def broken(problem: str, detail: str, file: Path = source.file) -> RecordError:
        return fail(problem, detail.replace(str(local.parent), str(source.file.parent)), file)

    # one call, since parsing the header takes most of the time; if it fails, the header is parsed alone
    record, failure = None, None
    try:
        header = record = wfdb.rdrecord(str(local), physical=False)
    except Exception as error:  # wfdb raises many kinds of errors
        failure = error
        try:
            header = wfdb.rdheader(str(local))
        except Exception as error:  # as above
            raise broken("unreadable-header", f"not a WFDB header ({error})") from error
    if not header.sig_len or not header.n_sig:
        raise broken("unreadable-header", "the header states no signals or no length")
    lines = len(header.file_name or ())
    if lines != header.n_sig or lines != len(source.lines) - 1:
        raise broken("unreadable-header", f"the header states {header.n_sig} signals but describes {lines}")
    _check_rate(header.fs or 0, expected, broken, source.file)

    for name in dict.fromkeys(header.file_name):
        data_file = files.get(name, source.file.with_name(name))
        if not data_file.is_file():
            raise broken("missing-signal", "no such file", data_file)
        stated = _stated_bytes(header, name)
        size = data_file.stat().st_size
        if stated is not None and size != stated:
            problem, word = ("truncated", "truncated") if size < stated else ("header-mismatch", "too long")
            detail = f"{word}: {size} bytes, expected {stated} by the header"
            raise broken(problem, detail, data_file)
    if record is None:
        raise broken("unreadable-signal", f"cannot be read ({failure})") from failure
    try:
        physical = record.dac()  # samples at the format's invalid value become NaN
    except Exception as error:  # as above
        raise broken("unreadable-signal", f"cannot be read ({error})") from error

    leads = find_leads(source.names, expected.lead_names)
    columns = [column for column, _ in leads.values()]
    if any(header.samps_per_frame[column] > 1 for column, _ in leads.values()):  # the library would average them
        raise broken("unreadable-signal", "several samples per frame; write the record again with one sample per frame")
    gains = source.gains
    units = {lead: source.units[column] if gains[column] else "" for lead, (column, _) in leads.items()}
    factors = _factors(units, expected, broken, source.file)
    data_file = files.get(header.file_name[0], source.file)
    # WFDB's checksum: 16-bit sum of samples
    sums = record.d_signal[:, columns].astype(np.int64).sum(axis=0) & 0xFFFF
    checksums = [header.checksum[column] for column in columns]
    if any(stated is not None and int(total) != stated & 0xFFFF for total, stated in zip(sums, checksums, strict=True)):
        raise broken("checksum", "the samples do not match the header's checksums", data_file)
    rows = {
        lead: physical[:, column] * (sign * factors[lead] * (1 if gains[column] else WFDB_GAIN))
        for lead, (column, sign) in leads.items()
    }
    return Channels(rows, float(record.fs), len(physical), [name or "unnamed" for name in source.names], data_file)


def _twelve(channels: Channels, derive_leads: bool, header_file: Path, broken: Fail) -> np.ndarray:
    """The twelve leads, (12, samples) in mV, checked."""
    rows = dict(channels.rows)
    missing = [lead for lead in LEADS if lead not in rows]
    derived = [lead for lead in missing if derive_leads and lead in DERIVED]
    if len(missing) > len(derived):
        lacking = ", ".join(lead for lead in missing if lead not in derived)
        hint = "; derive_leads computes them from I and II" if set(missing) <= set(DERIVED) else ""
        present = ", ".join(channels.present)
        raise broken("missing-leads", f"leads {lacking} are missing (the record has {present}){hint}", header_file)
    rows |= {lead: DERIVED[lead](rows["I"], rows["II"]) for lead in derived}
    signal = np.stack([rows[lead] for lead in LEADS])
    unknown = [lead for lead, row in zip(LEADS, signal, strict=True) if not np.isfinite(row).all()]
    if unknown:
        raise broken("nan", f"lead {', '.join(unknown)} has missing samples (NaN)", channels.file)
    spans = dict(zip(LEADS, np.ptp(signal, axis=1), strict=True))
    if flat := [lead for lead, span in spans.items() if span == 0]:
        raise broken("flat-lead", f"lead {', '.join(flat)} is flat: the same value throughout", channels.file)
    if large := [f"{lead} {span:.3g} mV" for lead, span in spans.items() if span > LARGEST]:
        detail = f"implausible amplitude, from peak to peak: {', '.join(large)}; check the header's gains and units"
        raise broken("implausible-amplitude", detail, header_file)
    if max(spans.values()) < SMALLEST:
        detail = f"implausible amplitude: no lead exceeds {max(spans.values()):.2g} mV from peak to peak; check the "
        raise broken("implausible-amplitude", f"{detail}header's gains and units", header_file)
    return signal


def _stated_bytes(header: wfdb.Record, name: str) -> int | None:
    """Size of a data file by its header, for formats of fixed width; None for others."""
    widths = {"8": 1, "16": 2, "24": 3, "32": 4, "80": 1, "160": 2}
    formats = [fmt for fmt, file in zip(header.fmt, header.file_name, strict=True) if file == name]
    if any(fmt not in widths for fmt in formats) or any(header.samps_per_frame[i] != 1 for i in range(header.n_sig)):
        return None
    offset = next(o for o, file in zip(header.byte_offset, header.file_name, strict=True) if file == name) or 0
    return offset + header.sig_len * sum(widths[fmt] for fmt in formats)
