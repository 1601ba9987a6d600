"""Documents made of lines that stand elsewhere too: boilerplate, menus, a page pasted twice.

What it measures: per document of two lines or more, the share of its characters in lines that came before in it, or that stand in
many other documents.
Why it inflates a score: repeated lines are learned by heart and lower the perplexity of text that holds them; nothing else gains.
How it errs: refrains, forms, code and the names of speakers in a play repeat lines rightly; a document of one line is left to
the duplicate checks.
Source: Rae et al. 2021, arXiv:2112.11446, table A1 (repetition within a page); the lines of other documents: ours.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from veridical.audit._contract import Check, Planted
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import Row, dataset, nonsense
from veridical.core.finding import Finding, Looked, Skipped


@dataclass(frozen=True)
class Params:
    """When a document counts as repetition."""

    share: float = 0.2
    """Share of a document's characters in repeated lines, 0..1, from which it is found. Rae et al. 2021, table A1."""
    documents: int = 10
    """Other documents a line must stand in to count as repeated, 1 or more. Ours; no source."""


def run(evidence: Evidence, params: Params, rng: np.random.Generator) -> Looked | Skipped:
    data = evidence.data
    lines = [[line.strip() for line in text.split("\n") if line.strip()] for text in data.texts]
    holders = Counter(line for document in lines for line in set(document))
    findings, looked = [], 0
    for row, split, document in zip(data.ids, data.splits, lines, strict=True):
        if len(document) < 2:
            continue
        looked += 1
        seen: set[str] = set()
        repeated: Counter[str] = Counter()
        for line in document:
            if line in seen or holders[line] > params.documents:
                repeated[line] += len(line)
            seen.add(line)
        share = repeated.total() / sum(len(line) for line in document)
        if share >= params.share:
            worst = min(repeated, key=lambda line: (-repeated[line], line))
            reason = f"{share:.0%} of its characters are repeated lines"
            findings.append(Finding(row, str(split), min(1.0, share), reason, worst[:80]))
    if not looked:
        return Skipped("No document has two lines, so none can repeat lines.")
    return Looked(
        looked, tuple(findings), f"{len(findings)} of {looked} documents of two lines or more are made of repeated lines."
    )


def planted() -> Planted:
    rng = np.random.default_rng(6)
    plain: list[Row] = [(f"doc-{i}", "train", "\n".join(nonsense(rng, 8) for _ in range(4)), "text") for i in range(40)]
    pasted = [(row, split, f"{text}\n{text}", label) for row, split, text, label in plain[:3]]
    header = nonsense(rng, 9)
    headed = [(row, split, f"{header}\n{text}", label) for row, split, text, label in plain[3:18]]
    bad = frozenset(row[0] for row in [*pasted, *headed])
    return Planted(dataset([*pasted, *headed, *plain[18:]]), bad, dataset(plain))


check = Check(run, Params(), planted)
