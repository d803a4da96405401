"""Reading a 12-lead signal from WFDB files, with every fault named."""

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
"""Bounds of what is believed of a header: its bytes, samples by which a signal may lag, signals, compression."""
DERIVED = {
    "III": lambda one, two: two - one,
    "AVR": lambda one, two: -(one + two) / 2,
    "AVL": lambda one, two: one - two / 2,
    "AVF": lambda one, two: two - one / 2,
}
"""The limb leads that follow from I and II (Einthoven, Goldberger)."""


def read_record(
    source: Source, path: str, record_id: str, sampling_rate: float | None = None, derive_leads: bool = False
) -> tuple[np.ndarray, float]:
    """``read_signal`` of a record in a folder or a zip archive.

    Args:
        source: where the raw files are.
        path: the record's name there, no suffix.
    """
    with source.record(path) as local:
        try:
            return read_signal(local, record_id, sampling_rate, derive_leads)
        except RecordError as error:
            file = str(PurePath(path).with_name(PurePath(error.file).name).as_posix())
            raise RecordError(record_id, source.where(file), error.problem, error.detail) from error


def read_signal(
    path: Path | str, record_id: str, sampling_rate: float | None = None, derive_leads: bool = False
) -> tuple[np.ndarray, float]:
    """Read a record and check it.

    Args:
        path: the record's name as WFDB wants it: no suffix.
        record_id: for messages.
        sampling_rate: Hz that the header must state; None accepts any.
        derive_leads: compute III, aVR, aVL and aVF from I and II where they are not there.

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
    if strange := _strange(header_file):
        raise broken("unreadable-header", strange)
    # One call parses the header, which takes most of the time; only where it fails is the header looked at by itself.
    record, failure = None, None
    try:
        header = record = wfdb.rdrecord(str(path), physical=False)
    except Exception as error:  # wfdb raises many kinds on a file that is not one
        failure = error
        try:
            header = wfdb.rdheader(str(path))
        except Exception as error:  # as above
            raise broken("unreadable-header", f"not a WFDB header ({error})") from error
    if not header.sig_len or not header.n_sig:
        raise broken("unreadable-header", "the header states no signal or no length")
    if not isinstance(header, wfdb.Record):
        raise broken("unreadable-header", "a record of several segments; join them to one")
    if not 0 < (header.fs or 0) < HIGHEST_RATE:
        raise broken("unreadable-header", f"the header states {header.fs} Hz")
    lines = len(header.file_name or ())
    if lines != header.n_sig:
        raise broken("unreadable-header", f"the header states {header.n_sig} signals and describes {lines}")
    if sampling_rate is not None and header.fs != sampling_rate:
        raise broken("sampling-rate", f"the header says {header.fs:g} Hz, expected {sampling_rate:g} Hz")

    for name in dict.fromkeys(header.file_name):
        data_file = path.with_name(name)
        if not data_file.is_file():
            raise broken("missing-signal", "no such file", data_file)
        expected = _expected_bytes(header, name)
        found = data_file.stat().st_size
        if expected is not None and found != expected:
            problem, word = ("truncated", "truncated") if found < expected else ("header-mismatch", "too long")
            detail = f"{word}: {found} bytes where the header promises {expected}"
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
        there = ", ".join(name or "unnamed" for name in record.sig_name)
        raise broken("missing-leads", f"leads {lacking} are not there (it has {there}){hint}")
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
        raise broken("nan", f"lead {', '.join(unknown)} has missing (NaN) samples", data_file)
    flat = [lead for lead, row in zip(LEADS, signal, strict=True) if np.ptp(row) == 0]
    if flat:
        raise broken("flat-lead", f"lead {', '.join(flat)} is flat: the same value throughout", data_file)
    sums = record.d_signal[:, columns].astype(np.int64).sum(axis=0) & 0xFFFF  # WFDB's checksum: 16-bit sum of samples
    stated = [header.checksum[column] for column in columns]
    if any(state is not None and int(total) != state & 0xFFFF for total, state in zip(sums, stated, strict=True)):
        raise broken("checksum", "the samples do not add up to the header's checksums", data_file)
    return signal, float(record.fs)


def _strange(header_file: Path) -> str | None:
    """What in a header would have WFDB read no plain file, or fill the memory: nothing that a recorder writes."""
    if header_file.stat().st_size > LONGEST_HEADER:
        return f"more than {LONGEST_HEADER} bytes, too many for a header"
    text = header_file.read_bytes().decode("utf-8", "replace")
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    stated = [int(word) if word.isascii() and word.isdigit() and len(word) < 20 else 0 for word in (lines or [[]])[0]]
    signals, samples = (*stated[1:4:2], 0, 0)[:2]
    if signals > MOST_SIGNALS:
        return f"{signals} signals"
    held = {}
    for name, *rest in lines[1:]:
        try:
            data_file = header_file.with_name(name)
            special = data_file.exists() and not data_file.is_file()
            held[name] = data_file.stat().st_size if data_file.is_file() else 0
        except (ValueError, OSError):  # ".", a name with zeros, one that is too long
            special = True
        if special:
            return f"its signal file {name[:80]!r} is no plain file beside it"
        skew = re.search(r":(\d+)", rest[0]) if rest else None
        if skew and int(skew[1][:20]) > LONGEST_SKEW:
            return f"a skew of {skew[1][:20]} samples"
    if samples > max(SAMPLES_PER_BYTE * sum(held.values()), 1 << 20):
        return f"{samples} samples, where its signal files have {sum(held.values())} bytes"
    return None


def _expected_bytes(header: wfdb.Record, name: str) -> int | None:
    """Size of a data file by its header, for the fixed-width formats; None where it cannot be said."""
    widths = {"8": 1, "16": 2, "24": 3, "32": 4, "80": 1, "160": 2}
    formats = [fmt for fmt, file in zip(header.fmt, header.file_name, strict=True) if file == name]
    if any(fmt not in widths for fmt in formats) or any(header.samps_per_frame[i] != 1 for i in range(header.n_sig)):
        return None
    offset = next(o for o, file in zip(header.byte_offset, header.file_name, strict=True) if file == name) or 0
    return offset + header.sig_len * sum(widths[fmt] for fmt in formats)
