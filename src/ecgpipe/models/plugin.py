"""Models of one's own: a Python file that registers them with timm, named by the key ``plugin``."""

import hashlib
import importlib.util
import sys
import traceback
from pathlib import Path

from ecgpipe.errors import ConfigError


def use_plugin(path: Path | str) -> None:
    """Run a file that registers models with timm (docs/own-model.md), unless the same content has run already.

    It is run as code. So it is only ever named by a configuration, a run's folder or a caller, never by a saved model.

    Raises:
        ConfigError: no such file, or it fails; names the file, the line and the error.
    """
    file = Path(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"plugin {file}: cannot be read ({error.strerror}); paths start where you do") from error
    name = f"ecgpipe_plugin_{hashlib.sha256(content).hexdigest()[:16]}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"plugin {file}: not a Python file; its name must end with .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # timm looks the module of a registered function up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        line = lines[-1] if lines else getattr(error, "lineno", None)
        where = f", line {line}" if line else ""
        raise ConfigError(f"plugin {file}{where}: {type(error).__name__}: {error}") from error
