"""The code fingerprint: which changes of the code change it."""

import shutil

import pytest

from ecgpipe.fingerprint import SOURCE, closure, fingerprint
from tests.conftest import PROJECT


@pytest.fixture
def package(tmp_path):
    """A small package: a script imports a, a imports b inside a function, nothing imports c."""
    source = tmp_path / "ecgpipe"
    for folder in (source, source / "sub"):
        folder.mkdir()
        (folder / "__init__.py").write_text("")
    (source / "a.py").write_text('"""A."""\n\ndef f(x):\n    from .sub import b\n    return b.g(x) + 1\n')
    (source / "sub" / "b.py").write_text("LIMIT = 3\n\ndef g(x):\n    return x * LIMIT\n")
    (source / "sub" / "c.py").write_text("from ecgpipe import a\n")
    (tmp_path / "script.py").write_text("import json\nfrom ecgpipe.a import f\nprint(f(1))\n")
    return tmp_path


def mark(package) -> str:
    return fingerprint(package / "script.py", package / "ecgpipe")


def test_the_closure_includes_imports_inside_functions(package):
    found = closure(package / "script.py", package / "ecgpipe")
    assert found == {"ecgpipe", "ecgpipe.a", "ecgpipe.sub", "ecgpipe.sub.b"}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("ecgpipe/sub/b.py", "LIMIT = 3", "LIMIT = 4"),
        ("ecgpipe/a.py", "+ 1", "+ 2"),
        ("ecgpipe/sub/__init__.py", "", "x = 1"),
        ("script.py", "f(1)", "f(2)"),
    ],
)
def test_a_change_of_code_changes_it(package, file, old, new):
    before = mark(package)
    path = package / file
    path.write_text(path.read_text().replace(old, new, 1) if old else new)
    assert mark(package) != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("ecgpipe/sub/b.py", "LIMIT = 3", "LIMIT = 3  # of something"),
        ("ecgpipe/sub/b.py", "LIMIT = 3", 'LIMIT = 3\n"""Of something."""'),
        ("ecgpipe/a.py", '"""A."""', '"""Another text."""'),
        ("ecgpipe/sub/b.py", "x * LIMIT", "x   *  LIMIT"),
        ("ecgpipe/sub/c.py", "from ecgpipe import a", "x = 5"),
    ],
)
def test_a_change_of_text_keeps_it(package, file, old, new):
    before = mark(package)
    path = package / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    assert mark(package) == before


def test_it_does_not_depend_on_the_folder(package, tmp_path_factory):
    copy = shutil.copytree(package, tmp_path_factory.mktemp("elsewhere") / "copy")
    assert mark(copy) == mark(package)


def test_stages_do_not_depend_on_each_other():
    """Changing the report does not retrain models; changing the loss or the models does not render pages again."""

    def modules(script):
        return closure(PROJECT / "scripts" / script)

    train = modules("train.py")
    assert "ecgpipe.train.recipe" in train and "ecgpipe.environment" not in train
    for apart in ("report", "explain", "evaluate", "render", "preprocess", "acquire", "models.cam", "models.cost"):
        assert not any(name.startswith(f"ecgpipe.{apart}") for name in train), apart
    assert not any(name.startswith("ecgpipe.train") for name in modules("render.py"))
    assert not {"ecgpipe.config.models", "ecgpipe.config.benchmark"} & modules("preprocess.py")
    assert not any(name.startswith("ecgpipe.models") for name in modules("report.py"))


def test_a_packages_data_files_count_as_code(package):
    before = mark(package)
    (package / "ecgpipe" / "sub" / "templates").mkdir()
    (package / "ecgpipe" / "sub" / "templates" / "page.j2").write_text("<p>")
    with_template = mark(package)
    assert with_template != before
    (package / "ecgpipe" / "sub" / "layouts.yaml").write_text("- name: 3x4\n")
    assert mark(package) not in (before, with_template)
    for name in ("report/templates/report.html.j2", "reader/templates.yaml", "paper/claims.yaml"):
        assert (SOURCE / name).is_file()
