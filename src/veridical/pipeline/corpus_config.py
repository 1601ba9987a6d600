"""Which text `veridical pretrain` reads: one flat record, derived into options beside those of training."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from veridical.core.allowed import refuse_below, refuse_outside
from veridical.core.errors import UnknownName
from veridical.pipeline.config import CHOICES, as_declared
from veridical.train.pretrain_config import PretrainConfig


@dataclass(frozen=True)
class CorpusConfig:
    """Which text is read, and what is set apart of it."""

    valid: str | None = None
    """File or folder with the held-out documents. Without it, a share of the documents is set apart, near-duplicates together."""
    valid_share: float = 0.1
    """Share of the documents that is set apart, 0.001..0.5."""
    text: str | None = None
    """Column with the text, in files of rows."""
    documents: str = "auto"
    """What a document is in a text file: blank (ended by a blank line), line, file; auto: blank where there are blank lines."""
    join: int = 1
    """Rows (or lines, or blocks) that follow one another and make one document together, >= 1."""
    set_aside: tuple[str, ...] = ()
    """Checks, separated by commas, whose documents are left out of training, for example exact_duplicates,near_duplicates."""
    seed: int = 0
    """Seed of every random choice."""
    lang: str = "en"
    """Language of the summary: en or zh."""

    def __post_init__(self) -> None:
        refuse_outside("--valid-share", self.valid_share, low=0.001, high=0.5)
        refuse_below("--seed", self.seed, low=0, example=1)
        if self.lang not in CHOICES["lang"]:
            raise UnknownName("value for --lang", self.lang, CHOICES["lang"])


def configured(given: dict[str, Any]) -> tuple[CorpusConfig, PretrainConfig]:
    """Both records with the `given` values; unknown names, wrong types and unknown choices are refused."""
    corpus = {field.name: field for field in dataclasses.fields(CorpusConfig)}
    training = {field.name: field for field in dataclasses.fields(PretrainConfig)}
    for name in given:
        if name not in corpus and name not in training:
            raise UnknownName("setting", name, [*corpus, *training], "See: veridical pretrain --help")
    chosen = {name: as_declared((corpus | training)[name], value) for name, value in given.items()}
    return (
        CorpusConfig(**{name: value for name, value in chosen.items() if name in corpus}),
        PretrainConfig(**{name: value for name, value in chosen.items() if name in training}),
    )
