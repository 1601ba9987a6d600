"""Texts damaged on the way: wrong encodings, invisible characters, look-alike letters, left-over markup.

What it measures: per row, signs of mis-decoded text, replacement, control, zero-width and bidirectional characters, words mixing
Latin with Greek or Cyrillic letters, HTML entities and tags.
Why it inflates a score: damage often comes with the source of a row, and where sources differ in label it tells the label.
How it errs: markup and look-alikes may be the subject of the text (code, spam); zero-width joiners belong inside emoji and
in scripts that need them, where they are not counted.
Source: Speer 2019, ftfy, doi:10.5281/zenodo.2591652 (badness of mis-decoded text); Unicode UTS 39 (mixed scripts).
"""

from dataclasses import dataclass

import numpy as np
import regex

from veridical.audit._contract import Check, Planted
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset, rows
from veridical.core.finding import Finding, Looked, Skipped

_SIGNS = {
    "replacement character": regex.compile("\ufffd"),
    "control character": regex.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"),
    "zero-width character": regex.compile(r"[\u200b\u2060\ufeff]|(?<=[\p{Latin}\p{Han}])[\u200c\u200d]"),
    "bidirectional control": regex.compile(r"[\u202a-\u202e\u2066-\u2069]"),
    "mixed-script word": regex.compile(r"\p{Latin}[\p{Cyrillic}\p{Greek}]|[\p{Cyrillic}\p{Greek}]\p{Latin}"),
    "HTML left over": regex.compile(
        r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#x[0-9a-fA-F]{1,5});|</?(?:br|p|div|span|a|b|i|li|ul|img|td|tr)\b[^<>]*>"
    ),
}


@dataclass(frozen=True)
class Params:
    """What counts as damage."""

    badness: int = 1
    """Least number of mis-decoded sequences that ftfy sees in a row. Count, 1 and up. Ours; no source."""


def run(evidence: Evidence, params: Params, rng: np.random.Generator) -> Looked | Skipped:
    from ftfy.badness import badness

    data = evidence.data
    seconds = data.seconds or [""] * len(data)
    findings = []
    for position, (text, second) in enumerate(zip(data.texts, seconds, strict=True)):
        whole = f"{text}\n{second}"
        signs = [(name, match.group()) for name, sign in _SIGNS.items() if (match := sign.search(whole))]
        if badness(whole) >= params.badness:
            signs.append(("mis-decoded text", next((c for c in whole if ord(c) > 127), "")))
        if signs:
            reason = "holds " + ", ".join(name for name, _ in signs)
            seen = "; ".join(f"{name}: {_escaped(what)}" for name, what in signs)
            score = min(1.0, 0.4 + 0.2 * len(signs))
            findings.append(Finding(data.ids[position], str(data.splits[position]), score, reason, seen))
    return Looked(len(data), tuple(findings), f"{len(findings)} of {len(data)} rows show signs of damage.")


def _escaped(text: str) -> str:
    """At most ten characters; those outside printable ASCII as U+XXXX."""
    return "".join(c if 32 <= ord(c) < 127 else f"U+{ord(c):04X} " for c in text[:10]).strip()


def planted() -> Planted:
    plain = rows(60, seed=2)
    damage = ("caf\u00c3\u00a9 \u00e2\u20ac\u2122s", "\ufffd", "pay\u200bment", "\u202etxt", "p\u0430ypal", "&amp; <br/>", "\x07")
    bad = [(i, s, f"{t} {harm}", y) for (i, s, t, y), harm in zip(plain, damage, strict=False)]
    return Planted(dataset(bad + plain[len(bad) :]), frozenset(row[0] for row in bad), dataset(plain))


check = Check(run, Params(), planted)
