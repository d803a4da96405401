"""A fingerprint of the library code that a script uses, so that Snakemake reruns a job when that code changes.

Snakemake reruns a job when a parameter changes, but does not look into the library. Each rule therefore has the
fingerprint of its script as a parameter: a hash of the script, of all modules of this package that it imports, directly
or indirectly, and of their packages' templates and YAML files. Comments, docstrings, formatting and descriptions of
configuration keys are ignored, since they cannot change a result.
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
    """Fingerprint of a script and the modules that it imports.

    Args:
        script: a Python file that imports from the package.
        source: the package's folder.

    Returns:
        16 hexadecimal digits, the same on every machine.
    """
    digest = hashlib.sha256(_code_of(Path(script)).encode())
    for module in sorted(closure(script, source)):
        path = _file_of(module, source)
        digest.update(f"\n{module}\n{_code_of(path)}".encode())
        for resource in sorted(_resources(path)):
            digest.update(f"\n{resource.relative_to(source).as_posix()}\n".encode())
            digest.update(resource.read_bytes())
    return digest.hexdigest()[:16]


def file_hash(path: Path | str | None) -> str:
    """Hash of a file that a setting names, 16 hexadecimal digits; empty without a file."""
    file = Path(path or "")
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file.is_file() else ""


def closure(script: Path | str, source: Path = SOURCE) -> set[str]:
    """Modules of the package that a script imports, directly or indirectly, also inside functions."""
    modules: set[str] = set()
    waiting = set(_imports(Path(script), None, source))
    while waiting:
        module = waiting.pop()
        if module in modules:
            continue
        modules.add(module)
        waiting |= _imports(_file_of(module, source), module, source) - modules
        if "." in module:  # importing a.b also runs a/__init__.py
            waiting.add(module.rpartition(".")[0])
    return modules


def _file_of(module: str, source: Path) -> Path | None:
    """The file of a module of the package, or None."""
    base = source.joinpath(*module.split(".")[1:])
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _resources(path: Path) -> list[Path]:
    """YAML files of a package and the files in its folder templates, if the module is its __init__."""
    if path.name != "__init__.py":
        return []
    files = [*path.parent.glob("*.yaml"), *(path.parent / "templates").glob("*")]
    return [file for file in files if not file.name.startswith(".")]


def _imports(path: Path, module: str | None, source: Path) -> frozenset[str]:
    """Modules of the package that one file imports."""
    return _imports_of(path, path.stat().st_mtime_ns, module, source)


@cache  # scripts share most of their modules
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


class _Normalise(ast.NodeTransformer):
    """Drops docstrings (also of constants), descriptions and the version."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.keywords = [keyword for keyword in node.keywords if keyword.arg not in TEXT_ARGUMENTS]
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        is_version = [getattr(name, "id", "") for name in node.targets] == ["__version__"]
        return None if is_version else self.generic_visit(node)


def _code_of(path: Path) -> str:
    """The code of a file without comments, formatting, docstrings and descriptions."""
    return _cached_code(path, path.stat().st_mtime_ns)


@cache
def _cached_code(path: Path, _changed: int) -> str:
    return ast.unparse(_Normalise().visit(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))))
