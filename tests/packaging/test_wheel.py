"""Contents of the wheel and the source archive."""

import re
import tarfile
import zipfile
from email.parser import Parser

from ecgpipe import __version__
from ecgpipe.public import EXTRA_OF
from tests.conftest import PROJECT


def test_the_wheel_contains_exactly_the_files_of_the_package(wheel):
    package = PROJECT / "src" / "ecgpipe"
    there = {
        path.relative_to(package.parent).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in held if ".dist-info/" not in name} == there
    assert {"ecgpipe/py.typed", "ecgpipe/paper/claims.yaml", "ecgpipe/report/templates/style.css"} <= held
    assert any(name.endswith("licenses/LICENSE") for name in held)


def test_the_source_archive_contains_the_workflow(source_archive):
    with tarfile.open(source_archive) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"Snakefile", "config.yaml", "rules/common.smk", "scripts/train.py", "tests/conftest.py", "Makefile"}
    wanted |= {"mkdocs.yml", "SECURITY.md"}
    assert wanted <= held
    assert not [name for name in held if name.startswith(("results", "resources", ".venv", "shared"))]


def test_rendering_does_not_require_pytorch(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
    metadata = Parser().parsestr(archive.read(name).decode())
    assert metadata["Version"] == __version__
    by_extra: dict[str, set[str]] = {}
    for requirement in metadata.get_all("Requires-Dist"):
        extra = re.search(r"extra == '([\w-]+)'", requirement)
        by_extra.setdefault(extra[1] if extra else "", set()).add(re.match(r"[\w-]+", requirement)[0].lower())
    assert by_extra[""] == {"numpy", "pydantic", "tqdm"}
    assert not {"torch", "timm", "lightning"} & by_extra["data"]
    packages = {"cv2": "opencv-python-headless", "sklearn": "scikit-learn", "PIL": "pillow", "yaml": "pyyaml"}
    packages |= {"pytorch_grad_cam": "grad-cam"}
    for module, extra in EXTRA_OF.items():  # the extra that a message names provides the module
        assert packages.get(module, module).lower() in by_extra[extra], module
