"""Reading a 12-lead signal from WFDB files; every problem is reported by name."""

import re
from pathlib import Path, PurePath

import numpy as np
import wfdb

from ecgpipe.artifacts.sources import Source
from ecgpipe.errors import RecordError

LEADS = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")
MILLIVOLTS = {"mV": 1.0, "uV": 1e-3, "V": 1e3}
HIGHEST_RATE = 1e6
LONGEST_HEADER, LONGEST_SKEW, MOST_SIGNALS, SAMPLES_PER_BYTE = 1 << 20, 1 << 20, 1000, 64
"""Largest plausible values of a header: bytes, skew of a signal in samples, signals, samples per byte of data."""
DERIVED = {
    "III": lambda one, two: two - one,
    "AVR": lambda one, two: -(one + two) / 2,
    "AVL": lambda one, two: one - two / 2,
    "AVF": lambda one, two: two - one / 2,
}
"""The limb leads that are computed from I and II (Einthoven, Goldberger)."""


def read_record(
    source: Source, path: str, record_id: str, sampling_rate: float | None = None, derive_leads: bool = False
) -> tuple[np.ndarray, float]:
    """``read_signal`` for a record in a folder or a zip archive.

    Args:
        source: the raw files.
        path: name of the record there, without suffix.
        record_id, sampling_rate, derive_leads: as for ``read_signal``.
    """
    with source.record(path) as local:
        try:
            return read_signal(local, record_id, sampling_rate, derive_leads)
        except RecordError as error:
            file = str(PurePath(path).with_name(PurePath(error.file).name).as_posix())
            raise RecordError(record_id, source.full_name(file), error.problem, error.detail) from error


def read_signal(
    path: Path | str, record_id: str, sampling_rate: float | None = None, derive_leads: bool = False
) -> tuple[np.ndarray, float]:
    """Read a record and check it.

    Args:
        path: name of the record, without suffix.
        record_id: for messages.
        sampling_rate: Hz that the header must state; None accepts any.
        derive_leads: compute III, aVR, aVL and aVF from I and II if they are missing.

    Returns:
        The signal, (12, samples) float64 in mV, leads in the order of LEADS, and its sampling rate in Hz.

    Raises:
        RecordError: a file is missing, unreadable or truncated; the header disagrees with the data or the expectation;
            a lead is missing, flat or has NaN samples.
    """
    path = Path(path)
    header_file = path.with_name(path.name + ".hea")

    def broken(problem: str, detail: str, file: Path = header_file) -> RecordError:
        return RecordError(record_id, str(file), problem, detail)

    if not header_file.is_file():
        raise broken("missing-header", "no such file")
    if reason := _refuse_header(header_file):
        raise broken("unreadable-header", reason)
    # one call, since parsing the header takes most of the time; if it fails, the header is parsed alone
    record, failure = None, None
    try:
        header = record = wfdb.rdrecord(str(path), physical=False)
    except Exception as error:  # wfdb raises many kinds of errors
        failure = error
        try:
            header = wfdb.rdheader(str(path))
        except Exception as error:  # as above
            raise broken("unreadable-header", f"not a WFDB header ({error})") from error
    if not header.sig_len or not header.n_sig:
        raise broken("unreadable-header", "the header states no signals or no length")
    if not isinstance(header, wfdb.Record):
        raise broken("unreadable-header", "a record with several segments; join them into one")
    if not 0 < (header.fs or 0) < HIGHEST_RATE:
        raise broken("unreadable-header", f"the header states {header.fs} Hz")
    lines = len(header.file_name or ())
    if lines != header.n_sig:
        raise broken("unreadable-header", f"the header states {header.n_sig} signals but describes {lines}")
    if sampling_rate is not None and header.fs != sampling_rate:
        raise broken("sampling-rate", f"the header states {header.fs:g} Hz, expected {sampling_rate:g} Hz")

    for name in dict.fromkeys(header.file_name):
        data_file = path.with_name(name)
        if not data_file.is_file():
            raise broken("missing-signal", "no such file", data_file)
        expected = _expected_bytes(header, name)
        size = data_file.stat().st_size
        if expected is not None and size != expected:
            problem, word = ("truncated", "truncated") if size < expected else ("header-mismatch", "too long")
            detail = f"{word}: {size} bytes, expected {expected} by the header"
            raise broken(problem, detail, data_file)
    if record is None:
        raise broken("unreadable-signal", f"cannot be read ({failure})") from failure
    try:
        physical = record.dac()  # samples at the format's invalid value become NaN
    except Exception as error:  # as above
        raise broken("unreadable-signal", f"cannot be read ({error})") from error

    names = [(name or "unnamed").upper() for name in record.sig_name]
    missing = [lead for lead in LEADS if lead not in names]
    derived = [lead for lead in missing if derive_leads and lead in DERIVED]
    if len(missing) > len(derived):
        lacking = ", ".join(lead for lead in missing if lead not in derived)
        hint = "; derive_leads computes them from I and II" if set(missing) <= set(DERIVED) else ""
        present = ", ".join(name or "unnamed" for name in record.sig_name)
        raise broken("missing-leads", f"leads {lacking} are missing (the record has {present}){hint}")
    columns = [names.index(lead) for lead in LEADS if lead in names]
    units = [record.units[column] for column in columns]
    if any(unit not in MILLIVOLTS for unit in units):
        raise broken("units", f"units {sorted(set(map(str, units)))} are not volts")
    measured = physical[:, columns].T * np.array([[MILLIVOLTS[unit]] for unit in units])
    rows = dict(zip([lead for lead in LEADS if lead in names], measured, strict=True))
    rows |= {lead: DERIVED[lead](rows["I"], rows["II"]) for lead in derived}
    signal = np.stack([rows[lead] for lead in LEADS])

    data_file = path.with_name(header.file_name[0])
    unknown = [lead for lead, row in zip(LEADS, signal, strict=True) if not np.isfinite(row).all()]
    if unknown:
        raise broken("nan", f"lead {', '.join(unknown)} has missing samples (NaN)", data_file)
    flat = [lead for lead, row in zip(LEADS, signal, strict=True) if np.ptp(row) == 0]
    if flat:
        raise broken("flat-lead", f"lead {', '.join(flat)} is flat: the same value throughout", data_file)
    sums = record.d_signal[:, columns].astype(np.int64).sum(axis=0) & 0xFFFF  # WFDB's checksum: 16-bit sum of samples
    stated = [header.checksum[column] for column in columns]
    if any(state is not None and int(total) != state & 0xFFFF for total, state in zip(sums, stated, strict=True)):
        raise broken("checksum", "the samples do not match the header's checksums", data_file)
    return signal, float(record.fs)


def _refuse_header(header_file: Path) -> str | None:
    """Why a header is refused before WFDB reads it: a signal file that is not a plain file, or excessive sizes."""
    if header_file.stat().st_size > LONGEST_HEADER:
        return f"more than {LONGEST_HEADER} bytes, too long for a header"
    text = header_file.read_bytes().decode("utf-8", "replace")
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    stated = [int(word) if word.isascii() and word.isdigit() and len(word) < 20 else 0 for word in (lines or [[]])[0]]
    signals, samples = (*stated[1:4:2], 0, 0)[:2]
    if signals > MOST_SIGNALS:
        return f"{signals} signals"
    sizes = {}
    for name, *rest in lines[1:]:
        try:
            data_file = header_file.with_name(name)
            special = data_file.exists() and not data_file.is_file()
            sizes[name] = data_file.stat().st_size if data_file.is_file() else 0
        except (ValueError, OSError):  # ".", a name with zeros, one that is too long
            special = True
        if special:
            return f"its signal file {name[:80]!r} is not a plain file in its folder"
        skew = re.search(r":(\d+)", rest[0]) if rest else None
        if skew and int(skew[1][:20]) > LONGEST_SKEW:
            return f"a skew of {skew[1][:20]} samples"
    if samples > max(SAMPLES_PER_BYTE * sum(sizes.values()), 1 << 20):
        return f"{samples} samples, but its signal files have {sum(sizes.values())} bytes"
    return None


def _expected_bytes(header: wfdb.Record, name: str) -> int | None:
    """Size of a data file by its header, for formats of fixed width; None for others."""
    widths = {"8": 1, "16": 2, "24": 3, "32": 4, "80": 1, "160": 2}
    formats = [fmt for fmt, file in zip(header.fmt, header.file_name, strict=True) if file == name]
    if any(fmt not in widths for fmt in formats) or any(header.samps_per_frame[i] != 1 for i in range(header.n_sig)):
        return None
    offset = next(o for o, file in zip(header.byte_offset, header.file_name, strict=True) if file == name) or 0
    return offset + header.sig_len * sum(widths[fmt] for fmt in formats)
