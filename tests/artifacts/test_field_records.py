"""Records as other programs write them: units, names, gains, spellings of headers, segments."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest

from ecgpipe.acquire.own import list_own_records
from ecgpipe.artifacts.signals import LEADS, read_record, read_signal
from ecgpipe.artifacts.sources import open_source
from ecgpipe.audit.sketch import list_folder
from ecgpipe.cli import main
from ecgpipe.config.own import OwnConfig
from ecgpipe.errors import RecordError
from ecgpipe.lead_names import lead_of
from tests.conftest import zipped

SAMPLES = 1000


@pytest.fixture
def signal():
    """Millivolts, (12, samples), whole microvolts."""
    return np.random.default_rng(0).normal(scale=0.5, size=(12, SAMPLES)).round(3)


def write(
    folder: Path, signal: np.ndarray, gain="1000/mV", names=LEADS, name="rec", suffixes=(".hea", ".dat"),
    encoding="utf-8", comment="",
) -> Path:  # fmt: skip
    header, data = suffixes
    samples = np.round(signal * 1000).astype("<i2")
    lines = [f"{name} {len(signal)} 100 {signal.shape[1]}"]
    for row, lead in zip(samples, names, strict=True):
        check = int(row.astype(np.int64).sum()) & 0xFFFF
        lines.append(f"{name}{data.lower()} 16 {gain} 16 0 {row[0]} {check} 0 {lead}")
    (folder / (name + header)).write_bytes(("\n".join(lines) + f"\n{comment}").encode(encoding))
    (folder / (name + data)).write_bytes(samples.T.tobytes())
    return folder / name


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("gain", ["1000/mv", "1/uv", "1/UV", "1/µV", "1.0(0)/µV", "1E0/uV", "1e6/V"])
def test_units(tmp_path, signal, gain, encoding):
    assert np.allclose(read_signal(write(tmp_path, signal, gain, encoding=encoding), "x")[0], signal)


def test_a_comment_of_dos_or_windows_does_not_end_a_line(tmp_path, signal):
    for encoding, comment in (("cp850", "# enregistré à l'hôpital\n"), ("cp1252", "# repos… suite\n")):
        path = write(tmp_path, signal, encoding=encoding, comment=comment)
        assert b"\x85" in path.with_suffix(".hea").read_bytes()
        assert np.allclose(read_signal(path, "x")[0], signal)


def test_the_greek_letter_and_text_that_was_read_as_latin_1(tmp_path, signal):
    for unit in ("\u03bcV", "ÂµV", "Î¼V"):
        assert np.allclose(read_signal(write(tmp_path, signal, f"1/{unit}"), "x")[0], signal)


@pytest.mark.parametrize("gain", ["0/mV", "0(0)/mV", "0"])
def test_gain_0_is_refused_unless_a_key_decides(tmp_path, signal, gain, capsys):
    path = write(tmp_path, signal, gain)
    with pytest.raises(RecordError, match=r"lead I, II.* uncalibrated.*uncalibrated_gain.*200") as error:
        read_signal(path, "x")
    assert error.value.problem == "uncalibrated" and str(path) in str(error.value)
    assert np.allclose(read_signal(path, "x", uncalibrated_gain=1000)[0], signal)
    page = tmp_path / "page.png"
    assert main(["render", str(path), "-o", str(page)]) == 1 and not page.exists()
    assert main(["render", str(path), "-o", str(page), "--uncalibrated-gain", "1000"]) == 0 and page.exists()
    capsys.readouterr()


@pytest.mark.parametrize(("unit", "factor"), [("V", 1000), ("uV", 1e-3)])
def test_implausible_amplitudes_are_an_error_in_render(tmp_path, signal, unit, factor, capsys):
    path = write(tmp_path, signal, f"1000/{unit}")
    assert main(["render", str(path), "-o", str(tmp_path / "page.png")]) == 1
    message = capsys.readouterr().err
    assert "record rec: " in message and "rec.hea" in message and "implausible amplitude" in message
    assert ("I 3" in message) == (factor > 1)  # the leads are named
    assert not (tmp_path / "page.png").exists()


NAMINGS = [
    [f"Lead {lead}" for lead in LEADS],
    [f"ECG {lead}" for lead in LEADS],
    [f"MDC_ECG_LEAD_{lead}" for lead in LEADS],
    ["DI", "DII", "DIII", "aVR", "aVL", "aVF", *(f"C{n}" for n in range(1, 7))],
    ["D1", "D2", "D3", "aVR", "aVL", "aVF", *(f"v{n}" for n in range(1, 7))],
]


@pytest.mark.parametrize("names", NAMINGS, ids=lambda names: names[0])
def test_names_of_leads(tmp_path, signal, names):
    assert np.allclose(read_signal(write(tmp_path, signal, names=names), "x")[0], signal)


@pytest.mark.parametrize("name", ["-aVR", "−aVR", "- aVR", "MINUS_AVR", "MDC_ECG_LEAD_AVRneg"])
def test_a_negated_lead_is_inverted(tmp_path, signal, name):
    names = [name if lead == "AVR" else lead for lead in LEADS]
    expected = signal * np.where(np.array(LEADS) == "AVR", -1, 1)[:, None]
    assert np.allclose(read_signal(write(tmp_path, signal, names=names), "x")[0], expected)


def test_the_own_name_of_a_lead_comes_first(tmp_path, signal):
    names = ["-aVR", "C1", *LEADS]
    path = write(tmp_path, np.concatenate([signal[:2] + 1, signal]), names=names)
    assert np.allclose(read_signal(path, "x")[0], signal)


@pytest.mark.parametrize("name", ["I II", "I-II", "V1-V2", "MLII", "ECG", "ECG1", "1", "RESP", "V7", "VR", "aV", ""])
def test_names_that_are_not_one_of_the_twelve(name):
    assert lead_of(name) is None


def test_other_names_are_mapped(tmp_path, signal, capsys):
    names = ["größe 1", "MLII", *LEADS[2:]]
    path = write(tmp_path, signal, names=names)
    with pytest.raises(RecordError, match=r"leads I, II are missing \(the record has größe 1, MLII"):
        read_signal(path, "x")
    assert np.allclose(read_signal(path, "x", lead_names={"Größe 1": "I", "mlii": "II"})[0], signal)
    page = ["-o", str(tmp_path / "page.png")]
    assert main(["render", str(path), *page, "--lead-name", "größe 1=I", "--lead-name", "MLII=-II"]) == 0
    assert main(["render", str(path), *page, "--lead-name", "MLII=two"]) == 1
    assert "--lead-name MLII=two: give NAME=LEAD" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ({"suffixes": (".HEA", ".DAT")}, "rec"),
        ({"suffixes": (".hea", ".DAT")}, "rec"),
        ({"name": unicodedata.normalize("NFC", "Zoë Müller")}, "Zoë Müller"),
        ({"name": "zoë"}, "zoë"),
        ({"name": unicodedata.normalize("NFD", "zoë")}, unicodedata.normalize("NFC", "zoë")),
        ({"name": "zoë", "encoding": "latin-1"}, "zoë"),
        ({"comment": "# Größe: 1,80 m\n", "encoding": "latin-1"}, "rec"),
        ({"name": "a.b.c"}, "a.b.c"),
    ],
)
def test_names_of_files(tmp_path, signal, written, asked):
    if " " in written.get("name", ""):  # WFDB's names have no spaces; the header's own name is of no importance
        write(tmp_path, signal, name="inner", **{k: v for k, v in written.items() if k != "name"})
        (tmp_path / "inner.hea").rename(tmp_path / f"{written['name']}.hea")
    else:
        write(tmp_path, signal, **written)
    assert np.allclose(read_signal(tmp_path / asked, "x")[0], signal)
    assert np.allclose(read_record(open_source(zipped(tmp_path)), asked, "x")[0], signal)


@pytest.mark.parametrize("file", ["rec", "rec.hea", "rec.mat"])
def test_any_file_of_a_record_is_the_record(tmp_path, signal, file, capsys):
    write(tmp_path, signal, suffixes=(".hea", ".mat"))
    assert main(["render", str(tmp_path / file), "-o", str(tmp_path / "page.png")]) == 0
    assert main(["preprocess", str(tmp_path / file), "-o", str(tmp_path / "image.png")]) == 0
    capsys.readouterr()


def segmented(folder: Path, signal: np.ndarray, middle: str = "rec_2 300", units=("1000/mV", "1/µV")) -> Path:
    for number, (part, gain) in enumerate([(signal[:, :700], units[0]), (signal[:, 700:], units[1])], 1):
        write(folder, part, gain, name=f"rec_{number}")
    (folder / "rec.hea").write_text(f"rec/2 12 100 1000\nrec_1 700\n{middle}\n")
    return folder / "rec"


def test_a_record_of_several_segments(tmp_path, signal):
    assert np.allclose(read_signal(segmented(tmp_path, signal), "x")[0], signal)
    assert np.allclose(read_record(open_source(zipped(tmp_path)), "rec", "x")[0], signal)


def test_segments_are_not_records_of_their_own(tmp_path, signal):
    for name in ("clinic", "more"):
        (tmp_path / name).mkdir()
        segmented(tmp_path / name, signal)
    write(tmp_path / "clinic", signal, name="other")
    (tmp_path / "clinic/broken.hea").write_text("broken/1 12 100 1000\nbroken 1000\n")
    assert list(list_folder(tmp_path)["path"]) == ["clinic/broken", "clinic/other", "clinic/rec", "more/rec"]
    (tmp_path / "labels.csv").write_text("path,label\nclinic/rec,AF\nclinic/other,SR\n")
    own = OwnConfig(kind="signals", source=str(tmp_path), labels="labels.csv")
    records, problems = list_own_records("x", own)
    assert list(records["path"]) == ["clinic/other", "clinic/rec"]
    assert [error.record for error in problems] == ["clinic/broken", "more/rec", "more/rec_1", "more/rec_2"]
    for name in ("clinic/rec", "clinic/other"):
        with (tmp_path / f"{name}.hea").open("a") as header:
            header.write("# Dx: 426783006\n")
    assert [error.record for error in list_own_records("x", own.model_copy(update={"labels": "header"}))[1]] == [
        "clinic/broken", "more/rec", "more/rec_1", "more/rec_2"
    ]  # fmt: skip


def test_several_samples_per_frame_are_refused(tmp_path, signal):
    path = write(tmp_path, signal)
    header = path.with_suffix(".hea").read_text().replace(".dat 16 ", ".dat 16x2 ").replace("12 100 1000", "12 50 500")
    path.with_suffix(".hea").write_text(header)
    with pytest.raises(RecordError, match="several samples per frame") as error:
        read_signal(path, "x")
    assert error.value.problem == "unreadable-signal"


def test_a_layout_segment_has_no_samples_and_leads_may_change_places(tmp_path, signal):
    order = np.roll(np.arange(12), 5)
    segmented(tmp_path, signal)
    write(tmp_path, signal[order, 700:], name="rec_2", names=[LEADS[n] for n in order])
    layout = "".join(f"~ 0 1000/mV 16 0 0 0 0 {lead}\n" for lead in LEADS)
    (tmp_path / "rec_0.hea").write_text(f"rec_0 12 100 0\n{layout}")
    (tmp_path / "rec.hea").write_text("rec/3 12 100 1000\nrec_0 0\nrec_1 700\nrec_2 300\n")
    assert np.allclose(read_signal(tmp_path / "rec", "x")[0], signal)


@pytest.mark.parametrize(
    ("middle", "problem", "file"),
    [
        ("rec_2 299", "header-mismatch", "rec.hea"),
        ("rec_9 300", "missing-header", "rec_9.hea"),
        ("../rec_2 300", "unreadable-header", "rec.hea"),
        ("rec 300", "unreadable-header", "rec.hea"),  # itself
        ("~ 300", "nan", "rec_1.dat"),
        ("~ 99999999999", "unreadable-header", "rec.hea"),
    ],
)
def test_segments_that_are_refused(tmp_path, signal, middle, problem, file):
    path = segmented(tmp_path, signal, middle)
    with pytest.raises(RecordError) as error:
        read_signal(path, "x")
    assert error.value.problem == problem and Path(error.value.file) == tmp_path / file
