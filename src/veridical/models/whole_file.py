"""Whether a file of tensors is all there: a download or a copy that broke off is refused before anything is read from it."""

from pathlib import Path

from veridical.core.errors import InputError


def refuse_damaged(path: Path, *, next_step: str) -> None:
    """Raises InputError where a safetensors file ends early or is none; its head says how long it must be."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="np"):
            pass
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is no whole file of tensors ({error}). {next_step}") from error
