"""Documents that are hardly text: tables of figures, runs of symbols, encoded bytes.

What it measures: per document, the share of letters (of any script) among the characters that are no white space.
Why it inflates a score: figures and symbols follow patterns of their own; a model spends its steps on them, and they make
perplexity of different collections incomparable.
How it errs: formulas, code and price lists may be what the model is for; very short documents are not judged.
Source: Ours; no source.
"""

from dataclasses import dataclass

import numpy as np

from veridical.audit._contract import Check, Planted
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset, nonsense
from veridical.core.finding import Finding, Looked, Skipped


@dataclass(frozen=True)
class Params:
    """When a document is hardly text."""

    letters: float = 0.5
    """Share of letters among the characters that are no white space, 0..1, under which a document is found. Ours; no source."""
    characters: int = 20
    """Characters that are no white space which a document needs, 1 or more, to be judged. Ours; no source."""


def run(evidence: Evidence, params: Params, rng: np.random.Generator) -> Looked | Skipped:
    data, findings, looked = evidence.data, [], 0
    for row, split, text in zip(data.ids, data.splits, data.texts, strict=True):
        shown = [character for character in text if not character.isspace()]
        if len(shown) < params.characters:
            continue
        looked += 1
        # Vowel signs of Indic scripts are marks, no letters; they are text all the same.
        share = sum(character.isalpha() or "\u0900" <= character <= "\u0eff" for character in shown) / len(shown)
        if share < params.letters:
            findings.append(Finding(row, str(split), 1 - share, f"{share:.0%} of its characters are letters", text[:80]))
    if not looked:
        return Skipped(f"No document has {params.characters} characters, so none can be judged.")
    return Looked(looked, tuple(findings), f"{len(findings)} of {looked} documents hold more figures and symbols than letters.")


def planted() -> Planted:
    rng = np.random.default_rng(8)
    plain = [(f"doc-{i}", "train", nonsense(rng, 12), "text") for i in range(30)]
    tables = [(f"table-{i}", "train", " | ".join(f"{x:.3f}" for x in rng.random(12)), "text") for i in range(4)]
    return Planted(dataset([*plain, *tables]), frozenset(row[0] for row in tables), dataset(plain))


check = Check(run, Params(), planted)
