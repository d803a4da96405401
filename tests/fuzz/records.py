"""Targets: records, with their archives."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import wfdb
from scipy.io import savemat

from ecgpipe.artifacts.signals import read_record, read_signal
from ecgpipe.artifacts.sources import open_source
from ecgpipe.errors import RecordError
from ecgpipe.lead_names import LEADS
from tests.artifacts.test_unsupported_formats import dicom_recording
from tests.fuzz.target import Target, stored


def record_targets(folder: Path) -> Iterator[Target]:
    """WFDB headers in several forms, ``.mat``, DICOM and zip files."""

    def target(kind: str, good: bytes, file: str, record: str, **options) -> Target:
        """A reader of the record that writes ``file`` first."""

        def read() -> None:
            signal, rate = read_signal(folder / record, "x", **options)
            assert signal.shape[0] == 12 and np.isfinite(signal).all() and 0 < rate < 1e6

        return Target(kind, [good], stored(folder / file, read), ("record x: ",), (RecordError,))

    header = _write(folder, "r")
    tolerant = {"derive_leads": True, "uncalibrated_gain": 200.0}
    yield target("WFDB header", header, "r.hea", "r")
    yield target("WFDB header, tolerant", header, "r.hea", "r", **tolerant)

    for name in ("s1", "s2"):
        _write(folder, name)
    yield target("segments", b"m/2 12 100 120\ns1 60\ns2 60\n", "m.hea", "m")
    (folder / "n.hea").write_bytes(b"n/2 12 100 120\nt1 60\ns2 60\n")
    yield target("segment's header", _write(folder, "t1"), "t1.hea", "n")

    signal = (folder / "r.dat").read_bytes()
    (folder / "CAP.DAT").write_bytes(signal)
    capital = header.replace(b"r.dat", b"CAP.DAT").replace(b"r 12", b"CAP 12")
    yield target("X.HEA", capital, "CAP.HEA", "CAP")

    savemat(folder / "q.mat", {"val": np.frombuffer(signal, "<i2").reshape(-1, 12).T}, format="4")
    matlab = (folder / "q.mat").read_bytes()
    place = f"q.mat 16+{len(matlab) - len(signal)} ".encode()
    (folder / "q.hea").write_bytes(header.replace(b"r 12", b"q 12").replace(b"r.dat 16 ", place))
    yield target(".mat", matlab, "q.mat", "q")

    dicom = dicom_recording(folder, _shorten).read_bytes()
    yield target("DICOM recording", dicom, "d.dcm", "d.dcm", **tolerant)
    yield _archive(folder)


def _write(folder: Path, name: str) -> bytes:
    """Write a record of 60 samples and return its header."""
    signal = np.random.default_rng(0).integers(-500, 500, (60, 12)).astype(np.int16)
    wfdb.wrsamp(
        name, 100, ["mV"] * 12, list(LEADS), d_signal=signal, fmt=["16"] * 12, adc_gain=[1000.0] * 12,
        baseline=[0] * 12, comments=["age: 50", "Dx: 426783006,39732003", "Sex: Male"], write_dir=str(folder),
    )  # fmt: skip
    return (folder / f"{name}.hea").read_bytes()


def _shorten(group: pydicom.Dataset) -> None:
    group.NumberOfWaveformSamples = 50
    group.WaveformData = group.WaveformData[: 50 * 24]


def _archive(folder: Path) -> Target:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for suffix in ("hea", "dat"):
            archive.write(folder / f"s2.{suffix}", f"top/s2.{suffix}")

    def read_all() -> None:
        source = open_source(folder / "z.zip")
        for name in source.names():
            if name.endswith(".hea"):
                read_record(source, name[:-4], "x")

    return Target("zip archive", [stream.getvalue()], stored(folder / "z.zip", read_all), ("z.zip", "record x: "))
