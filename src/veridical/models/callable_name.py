"""Models given as pkg.module:function: told by the name alone, before anything is imported."""

import importlib.util
import sys
from pathlib import Path


def is_callable_name(model: str) -> bool:
    """Whether --model names a function like pkg.module:function."""
    module, colon, function = model.partition(":")
    return bool(colon) and all(part.isidentifier() for part in module.split(".")) and function.isidentifier()


def source_of(model: str) -> Path | None:
    """The file of the module in pkg.module:function, found without running it; None where it is no such name, or has no file."""
    if not is_callable_name(model):
        return None
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        spec = importlib.util.find_spec(model.partition(":")[0])
    except (ImportError, ValueError, AttributeError):
        return None
    path = Path(spec.origin) if spec and spec.origin else None
    return path if path is not None and path.is_file() else None
