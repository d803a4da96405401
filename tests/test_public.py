"""The package as a library: exported names, and the cost of importing it."""

import ast
import subprocess
import sys

import pytest

import ecgpipe
from ecgpipe.fingerprint import closure
from ecgpipe.public import PUBLIC
from tests.conftest import PROJECT

HEAVY = {"torch", "timm", "pandas", "numpy", "cv2", "pydantic", "scipy", "matplotlib", "wfdb"}


def imported_by(program: str) -> set[str]:
    show = "\nimport sys\nprint(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program + show], check=True, capture_output=True, text=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_a_docstring(name):
    assert getattr(ecgpipe, name).__doc__
    assert name in dir(ecgpipe)


def test_type_checkers_see_the_same_names():
    stub = ast.parse((PROJECT / "src/ecgpipe/__init__.pyi").read_text())
    seen = {
        alias.asname or alias.name: f"{node.module}:{alias.name}"
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == {name: place if ":" in place else f"{place}:{name}" for name, place in PUBLIC.items()}


def test_importing_the_package_is_cheap():
    assert not HEAVY & imported_by("import ecgpipe; ecgpipe.__version__; dir(ecgpipe)")


def test_rendering_does_not_import_pytorch():
    assert "torch" not in imported_by("from ecgpipe import render_page, preprocess_page, RenderConfig, read_signal")


def test_the_public_interface_is_not_in_fingerprints():
    assert "ecgpipe" in closure(PROJECT / "scripts" / "train.py")
    assert "ecgpipe.public" not in closure(PROJECT / "scripts" / "train.py")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'rendr_page'"):
        _ = ecgpipe.rendr_page


def test_a_missing_library_is_an_error_that_names_the_extra(monkeypatch):
    error = ModuleNotFoundError("no", name="pytorch_grad_cam")
    monkeypatch.setattr("ecgpipe.public.importlib.import_module", lambda name: (_ for _ in ()).throw(error))
    with pytest.raises(ImportError, match=r"saliency_maps requires pytorch_grad_cam.*ecgpipe\[explain\]"):
        from ecgpipe.public import load_public

        load_public("saliency_maps")
