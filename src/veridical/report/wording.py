"""The fixed words of a report in one language. All languages have the same keys and placeholders; a test compares them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from veridical.core.errors import UnknownName
from veridical.report.sentences import named, translated

LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Words:
    """Call it with a key and what its placeholders stand for."""

    lang: str
    table: Mapping[str, str]

    def __call__(self, key: str, **values: str | int) -> str:
        return self.table[key].format(**values) if values else self.table[key]

    def name(self, kind: str, name: str) -> str:
        """The word for a plug-in, floor, stage ...; its own name, spaced, where there is none (a plug-in of another package)."""
        return self.table.get(f"{kind}.{name}", name.replace("_", " "))

    def sentence(self, text: str) -> str:
        """A sentence of a record in this language."""
        return translated(text, self.lang)

    def named(self, text: str) -> str:
        """A name or note of a record in this language: a sentence, or a name of veridical's; spaced where it has no entry."""
        said = self.sentence(text)
        return said if said != text else named(text, self.lang)

    def has(self, key: str) -> bool:
        return key in self.table


@cache
def words(lang: str) -> Words:
    """The words of language `en` or `zh`. Raises UnknownName."""
    import yaml

    if lang not in LANGUAGES:
        raise UnknownName("language", lang, LANGUAGES, "Give it as --lang NAME.")
    text = files("veridical.report").joinpath("words", f"{lang}.yaml").read_text(encoding="utf-8")
    return Words(lang, MappingProxyType(yaml.safe_load(text)))
