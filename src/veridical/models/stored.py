"""Open a model folder that veridical wrote, whatever its kind."""

import json
from pathlib import Path

from veridical.core.errors import InputError
from veridical.models.model import Model


def open_model(folder: Path) -> Model:
    """Read model.json, then the loader of its kind. Raises InputError when the folder holds no veridical model."""
    about = folder / "model.json"
    if not about.is_file():
        raise InputError(f"{folder} holds no model.json, so it is no veridical model. Give the model/ folder of a finished run.")
    try:
        kind = json.loads(about.read_text(encoding="utf-8")).get("kind")
    except (ValueError, AttributeError) as error:
        raise InputError(f"{about} cannot be read as JSON ({error}). Train the model again.") from error
    if kind == "linear":
        from veridical.models.linear import load_linear

        return load_linear(folder)
    if kind == "encoder":
        from veridical.models.encoder import load_encoder_model

        return load_encoder_model(folder)
    raise InputError(f"{about} names model kind {kind!r}; known: linear, encoder. It may come from a newer veridical.")
