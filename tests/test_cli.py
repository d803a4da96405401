"""The command line: results of commands, and messages of failed ones."""

import json
import resource
import subprocess
import sys
from functools import partial

import cv2
import numpy as np
import pytest
from PIL import Image

from ecgpipe.cli import main


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "data"
    assert main(["simulate", str(folder), "--records", "20", "--seed", "1"]) == 0
    return folder


def test_from_record_to_image(data, tmp_path):
    record = data / "records100/00000/00001_lr"
    page, boxes, image = tmp_path / "page.png", tmp_path / "boxes.json", tmp_path / "image.png"
    assert main(["render", str(record), "-o", str(page), "--boxes", str(boxes)]) == 0
    assert cv2.imread(str(page)).shape == (1700, 2200, 3)
    assert len(json.loads(boxes.read_text())["leads"]) == 13
    for variant in ("reader", "paper"):
        assert main(["preprocess", str(page), "-o", str(image), "--variant", variant]) == 0
        found = cv2.imread(str(image), cv2.IMREAD_GRAYSCALE)
        assert found.shape == (640, 640)
        assert set(found.ravel().tolist()) == {0, 255}
        assert (found == 255).mean() > 0.5  # black ink on white


def test_labels_as_text_and_json(data, capsys):
    assert main(["labels", str(data), "--policy", "primary", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert counts["records"] == 20
    assert sum(counts["classes"].values()) == counts["kept"]
    assert main(["labels", str(data), "--policy", "primary"]) == 0
    assert f"{counts['kept']} kept" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["labels", "nowhere"], "nowhere: no such folder or zip archive"),
        (["render", "nowhere/00001_lr", "-o", "x.png"], "00001_lr.hea: no such file"),
        (["preprocess", "nowhere.png", "-o", "x.png"], "nowhere.png: no such file"),
        (["preprocess", "page.png", "-o", "x.gif"], "x.gif: not the suffix of a lossless image format"),
        (["train", "nowhere"], "is nowhere a prepared run?"),
        (["models", "--image-size", "0"], "--image-size: Input should be greater than or equal to 64; given: 0"),
        (["models", "--image-size", "100"], "--image-size: must be a multiple of 32"),
        (["models", "--classes", "0"], "--classes 0: must be 1 or more"),
        (["serve", "--seconds", "nan"], "--seconds nan: give a number above 0"),
    ],
)
def test_a_mistake_gets_one_line_and_exit_status_1(arguments, expected, capsys):
    assert main(arguments) == 1
    message = capsys.readouterr().err
    assert expected in message
    assert "Traceback" not in message


def test_a_wrong_seed_of_the_degradation_names_its_option(data, tmp_path, capsys):
    record, page = str(data / "records100/00000/00001_lr"), str(tmp_path / "page.png")
    assert main(["render", record, "-o", page, "--degrade", "photo", "--degrade-seed", "-1"]) == 1
    assert "--degrade-seed: Input should be greater" in capsys.readouterr().err


def test_help_imports_nothing_heavy():
    program = (
        "import sys\nfrom ecgpipe.cli.main import build_parser\nbuild_parser().format_help()\n"
        "heavy = {'torch', 'pandas', 'numpy', 'cv2', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_wrong_argument_is_refused_before_pytorch_is_imported():
    program = """
import sys
from ecgpipe.cli import main
for line in sys.stdin.read().splitlines():
    assert main(line.split()) == 1, line
    assert "torch" not in sys.modules, line
"""
    wrong = [
        "predict nowhere page.png", "serve nowhere", "export nowhere -o model.onnx", "train nowhere", "card nowhere",
        "models --image-size 0", "digitize nowhere.png -o out", "read nowhere.png -o out",
    ]  # fmt: skip
    done = subprocess.run([sys.executable, "-c", program], input="\n".join(wrong), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_commands_say_what_they_wrote(tmp_path, capsys):
    folder, page, boxes, image = (str(tmp_path / name) for name in ("made", "page.png", "boxes.json", "image.png"))
    record = f"{folder}/records100/00000/00001_lr"
    commands = {
        ("simulate", folder, "--records", "2", "--seed", "1"): f"Wrote 2 simulated records (100 Hz) to {folder}",
        ("render", record, "-o", page, "--boxes", boxes): f"Wrote {page}: 2200 x 1700 pixels",
        ("preprocess", page, "-o", image, "--variant", "paper"): f"Wrote {image}: 640 x 640 pixels",
    }
    for command, expected in commands.items():
        assert main([*command]) == 0
        assert expected in capsys.readouterr().out
    assert main(["--quiet", "preprocess", page, "-o", image, "--variant", "paper"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("degrade", ["none", "photo"])
@pytest.mark.parametrize(("name", "kind"), [("x.png", "PNG"), ("x.jpg", "JPEG"), ("x.JPEG", "JPEG")])
def test_the_suffix_decides_the_format_of_a_page(data, tmp_path, name, kind, degrade):
    record = str(data / "records100/00000/00001_lr")
    assert main(["render", record, "-o", str(tmp_path / name), "--dpi", "60", "--degrade", degrade]) == 0
    with Image.open(tmp_path / name) as picture:
        assert picture.format == kind
        assert [round(value) for value in picture.info["dpi"]] == [60, 60]


def test_other_page_formats_are_refused(data, tmp_path, capsys):
    assert main(["render", str(data / "records100/00000/00001_lr"), "-o", str(tmp_path / "x.gif")]) == 1
    assert "x.gif: pages are written as .png or .jpg" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_the_audit_says_what_it_does_not_list(tmp_path, capsys):
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(b"no image")
    assert main(["audit", str(tmp_path), "--examples", "1"]) == 0
    out = capsys.readouterr().out
    assert "0.png: not a readable image (unknown format)\n    ... and 3 more (all: --json)" in out
    assert "BytesIO" not in out


def test_models_lists_the_nine_variants_by_default(capsys, monkeypatch):
    monkeypatch.setattr("ecgpipe.models.cost.model_cost", lambda name, **options: {"variant": name} | options)
    assert main(["models", "--image-size", "96", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len({row["variant"] for row in rows}) == len(rows) == 9
    assert all(row["img_size"] == 96 for row in rows)


def test_a_full_disk_is_reported(tmp_path):
    """OpenCV's imwrite does not report it."""
    page, image = tmp_path / "page.png", tmp_path / "image.png"
    cv2.imwrite(str(page), np.random.default_rng(0).integers(0, 256, (800, 1000, 3), np.uint8))
    command = [sys.executable, "-m", "ecgpipe", "preprocess", page, "-o", image, "--variant", "paper"]
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (600, 600))  # Python ignores SIGXFSZ, so the write fails
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit)
    assert done.returncode == 1
    assert "File too large" in done.stderr and "image.png" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.png"]
