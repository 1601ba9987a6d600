"""Open a model folder that veridical wrote, whatever its kind."""

import json
from pathlib import Path

from veridical.core.errors import InputError
from veridical.models.answering import Answering
from veridical.models.model import Model
from veridical.models.whole_file import refuse_damaged


def kind_of(folder: Path) -> str:
    """The kind of model in a folder. Raises InputError when it holds no veridical model."""
    about = folder / "model.json"
    if not about.is_file():
        raise InputError(f"{folder} holds no model.json, so it is no veridical model. Give the model/ folder of a finished run.")
    if (folder / "model.safetensors").is_file():
        refuse_damaged(folder / "model.safetensors", next_step="Train the model again, or copy it again.")
    try:
        return str(json.loads(about.read_text(encoding="utf-8")).get("kind"))
    except (ValueError, AttributeError) as error:
        raise InputError(f"{about} cannot be read as JSON ({error}). Train the model again.") from error


def open_model(folder: Path) -> Model:
    """The model that gives every row one label. Raises InputError when the folder holds no such model."""
    kind = kind_of(folder)
    if kind == "linear":
        from veridical.models.linear import load_linear

        return load_linear(folder)
    if kind == "encoder":
        from veridical.models.encoder import load_encoder_model

        return load_encoder_model(folder)
    known = "tags, label sets or answers" if kind in ANSWERING else "nothing that this veridical knows"
    raise InputError(
        f"{folder / 'model.json'} names model kind {kind!r}, which gives {known}; one with one label a row is needed."
    )


ANSWERING = ("linear_tagger", "linear_sets", "answering_encoder")
"""Kinds of models whose answers are more than one label."""


def open_answering(folder: Path) -> Answering:
    """The model whose answers are structures. Raises InputError when the folder holds no such model."""
    kind = kind_of(folder)
    if kind == "answering_encoder":
        from veridical.models.answering_encoder import load_answering_encoder

        return load_answering_encoder(folder)
    if kind in ANSWERING:
        from veridical.models.answering_linear import load_linear_answering

        return load_linear_answering(folder)
    raise InputError(f"{folder / 'model.json'} names model kind {kind!r}; one of {', '.join(ANSWERING)} is needed.")
