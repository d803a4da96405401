"""A fingerprint of the library code that a stage really uses.

Snakemake reruns a job when a parameter changes, but does not look into the library that a script calls. Each rule
therefore takes as a parameter the fingerprint of its script: a hash over the script, every module of this package
that it imports, directly or not, and their packages' templates. Comments, docstrings, formatting and the
descriptions of configuration keys do not count, since they cannot change a result.
"""

import ast
import hashlib
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

PACKAGE = "ecgpipe"
SOURCE = Path(__file__).resolve().parent
TEXT_ARGUMENTS = {"description", "help"}


def fingerprint(script: Path | str, source: Path = SOURCE) -> str:
    """Fingerprint of a script and its closure inside the package.

    Args:
        script: a Python file that imports from the package.
        source: the package's folder.

    Returns:
        16 hexadecimal digits, the same on any machine for the same code.
    """
    digest = hashlib.sha256(_meaning(Path(script)).encode())
    for module in sorted(closure(script, source)):
        path = _file_of(module, source)
        digest.update(f"\n{module}\n{_meaning(path)}".encode())
        for resource in sorted(_resources(path)):
            digest.update(f"\n{resource.relative_to(source).as_posix()}\n".encode())
            digest.update(resource.read_bytes())
    return digest.hexdigest()[:16]


def file_hash(path: Path | str | None) -> str:
    """Changes with the content of a file that a setting names: 16 hexadecimal digits, or empty if there is none."""
    file = Path(path or "")
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file.is_file() else ""


def closure(script: Path | str, source: Path = SOURCE) -> set[str]:
    """Names of the package's modules that a script imports, directly or not, also inside functions."""
    found: set[str] = set()
    waiting = set(_imports(Path(script), None, source))
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        found.add(module)
        waiting |= _imports(_file_of(module, source), module, source) - found
        if "." in module:  # importing a.b runs a/__init__.py too
            waiting.add(module.rpartition(".")[0])
    return found


def _file_of(module: str, source: Path) -> Path | None:
    """The file that defines a module of the package, or None."""
    base = source.joinpath(*module.split(".")[1:])
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _resources(path: Path) -> list[Path]:
    """Data files that belong to a package, if the module is its __init__: those in its folder templates."""
    if path.name != "__init__.py":
        return []
    return [file for file in (path.parent / "templates").glob("*") if not file.name.startswith(".")]


def _imports(path: Path, module: str | None, source: Path) -> frozenset[str]:
    """The package's modules that one file imports."""
    return _imports_of(path, path.stat().st_mtime_ns, module, source)


@cache  # scripts share most of their modules: parsing each once is what makes a plan quick
def _imports_of(path: Path, _changed: int, module: str | None, source: Path) -> frozenset[str]:
    package = None
    if module is not None:
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    inside = {name for name in names if name == PACKAGE or name.startswith(f"{PACKAGE}.")}
    return frozenset(name for name in inside if _file_of(name, source))


class _Meaning(ast.NodeTransformer):
    """Drops what cannot change a result: docstrings and texts for people."""

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
        elif isinstance(node, ast.Call):
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in TEXT_ARGUMENTS]
        elif isinstance(node, ast.Assign) and [getattr(name, "id", "") for name in node.targets] == ["__version__"]:
            node.value = ast.Constant("")
        return self.generic_visit(node)


def _meaning(path: Path) -> str:
    """The code of a file without comments, formatting, docstrings and descriptions."""
    return _meaning_of(path, path.stat().st_mtime_ns)


@cache  # as above
def _meaning_of(path: Path, _changed: int) -> str:
    return ast.unparse(_Meaning().visit(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))))
