"""A comparison in words and figures: the same sentences and tables on the terminal, in Markdown and in HTML."""

from dataclasses import dataclass

from veridical.core.comparison_record import ComparisonRecord, Difference, Pair, Stability
from veridical.core.estimate import Estimate
from veridical.report import figures
from veridical.report.safe_text import one_line
from veridical.report.wording import Words

NAME_LIMIT = 60
FINE_BELOW = 0.5
"""Points of band width under which differences are written with two decimals. Ours; no source."""


@dataclass(frozen=True, slots=True)
class View:
    """Everything drawn. sentences: what a reader needs first. runs, pairs, ranks: tables, first row the head. details: what
    McNemar and non-inferiority say of every pair; main_details: of the pairs with the best run. robust: label noise and luck.
    notes: what it rests on."""

    title: str
    sentences: tuple[str, ...]
    about: str
    runs: tuple[tuple[str, ...], ...]
    pairs: tuple[tuple[str, ...], ...]
    ranks: tuple[tuple[str, ...], ...]
    ranks_title: str
    details: tuple[str, ...]
    main_details: tuple[str, ...]
    robust: tuple[str, ...]
    notes_title: str
    notes: tuple[str, ...]


def view(record: ComparisonRecord, words: Words) -> View:
    return View(
        title=words("compare.title"),
        sentences=(*_headlines(record, words), _luck(record, words)),
        about=_about(record, words),
        runs=_runs(record, words),
        pairs=_pairs(record, words),
        ranks=_ranks(record, words),
        ranks_title=words("compare.ranks_title"),
        details=tuple(sentence for pair in record.pairs for sentence in _details(record, pair, words)),
        main_details=tuple(sentence for pair in _with_best(record) for sentence in _details(record, pair, words)),
        robust=(*_robust(record, words), _selection(record, words)),
        notes_title=words("compare.notes_title"),
        notes=tuple(one_line(words.sentence(note), limit=600) for note in record.notes),
    )


def name_of(record: ComparisonRecord, run: int) -> str:
    return one_line(record.runs[run].name, limit=NAME_LIMIT)


def p_text(p: float) -> str:
    if p < 0.001:
        return "< 0.001"
    return f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"


def pair_sentence(record: ComparisonRecord, pair: Pair, words: Words) -> str:
    """The sentence a reader needs about one pair, in the terms that count."""
    found = pair.main
    first, second = name_of(record, pair.first), name_of(record, pair.second)
    terms = words("compare.terms.honest" if pair.honest else "compare.terms.reported")
    n_pairs = len(record.pairs)
    p = f"p {p_text(found.p_holm)}" + (words("compare.corrected", pairs=n_pairs) if n_pairs > 1 else "")
    decimals = _decimals(found)
    if not found.told:
        said = {"points": _signed(found.points.value, decimals), "band": _band(found, decimals, sign=1)}
        told = words("compare.untold", first=first, second=second, terms=terms, p=p, mde=f"{found.mde:.{decimals}f}", **said)
        return f"{told}{_conflict(record, found, words)}"
    ahead = found.points.value > 0
    better, worse = (second, first) if ahead else (first, second)
    points = f"{abs(found.points.value):.{decimals}f}"
    band = _band(found, decimals, sign=1 if ahead else -1, signed=False)
    return words("compare.better", better=better, worse=worse, points=points, band=band, terms=terms, p=p)


def _conflict(record: ComparisonRecord, found: Difference, words: Words) -> str:
    """Why no difference is told where the p value or the band alone would tell one; empty where they agree."""
    if not found.conflict:
        return ""
    said = words(f"compare.conflict.{found.conflict}", alpha=f"{1 - record.level:.2g}")
    return said if words.lang == "zh" else f" {said}"


def _decimals(found: Difference) -> int:
    return 2 if found.band.width < FINE_BELOW else 1


def _signed(value: float, decimals: int) -> str:
    text = f"{value:+.{decimals}f}"
    return text[1:] if float(text) == 0 else text


def _band(found: Difference, decimals: int, *, sign: int, signed: bool = True) -> str:
    low, high = sorted((sign * found.band.low, sign * found.band.high))
    if signed:
        return f"[{_signed(low, decimals)}, {_signed(high, decimals)}]"
    return f"[{low:.{decimals}f}, {high:.{decimals}f}]"


def _with_best(record: ComparisonRecord) -> list[Pair]:
    """The best run against every other, those told first."""
    scores = [(run.honest or run.reported).value for run in record.runs]
    best = scores.index(max(scores))
    return sorted((pair for pair in record.pairs if best in (pair.first, pair.second)), key=lambda pair: not pair.main.told)


def _headlines(record: ComparisonRecord, words: Words) -> list[str]:
    return [pair_sentence(record, pair, words) for pair in _with_best(record)]


def _luck(record: ComparisonRecord, words: Words) -> str:
    chosen = record.selection
    return words("compare.looks", looks=chosen.looks, bound=f"{chosen.bound_looks:.1f}")


def _about(record: ComparisonRecord, words: Words) -> str:
    return words(
        "compare.about",
        metric=words.name("metric", record.metric),
        n=figures.count(record.n),
        clusters=figures.count(record.n_clusters),
        level=f"{100 * record.level:g}",
        alpha=f"{1 - record.level:.2g}",
    )


def _runs(record: ComparisonRecord, words: Words) -> tuple[tuple[str, ...], ...]:
    own = any(run.elsewhere for run in record.runs)
    head = ("compare.run", "compare.model", "honest", *(["compare.own"] if own else []), "reported", "compare.leaked")
    lines = [tuple(words(key) for key in head)]
    for at, run in enumerate(record.runs):
        model = one_line(run.model, limit=NAME_LIMIT)
        scores = [_score(run.honest), *([_score(run.ledger)] if own else []), _score(run.reported)]
        lines.append((name_of(record, at), model, *scores, figures.count(run.leaked)))
    return tuple(lines)


def _score(found: Estimate | None) -> str:
    return f"{figures.score(found.value)} {figures.interval(found)}" if found else "–"


def _pairs(record: ComparisonRecord, words: Words) -> tuple[tuple[str, ...], ...]:
    head = ("compare.pair", "honest", "p", "reported", "p", "compare.verdict")
    lines = [tuple("p" if key == "p" else words(key) for key in head)]
    for pair in record.pairs:
        named = words("compare.over", second=name_of(record, pair.second), first=name_of(record, pair.first))
        told = words("compare.told" if pair.main.told else "compare.not_told")
        lines.append((named, *_figures(pair.honest), *_figures(pair.reported), told))
    return tuple(lines)


def _figures(found: Difference | None) -> tuple[str, str]:
    if found is None:
        return "–", "–"
    decimals = _decimals(found)
    p = p_text(found.p_holm).removeprefix("= ")
    return f"{_signed(found.points.value, decimals)} {_band(found, decimals, sign=1)}", p


def _ranks(record: ComparisonRecord, words: Words) -> tuple[tuple[str, ...], ...]:
    head = (words("compare.run"), *(words("compare.rank", rank=rank + 1) for rank in range(len(record.runs))))
    return (head, *((name_of(record, at), *(_percent(s) for s in row)) for at, row in enumerate(record.ranks)))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _details(record: ComparisonRecord, pair: Pair, words: Words) -> list[str]:
    first, second, split = name_of(record, pair.first), name_of(record, pair.second), pair.discordance
    key = "compare.mcnemar" if split.independent else "compare.mcnemar_families"
    counts = {"a": figures.count(split.first_only), "b": figures.count(split.second_only), "p": p_text(split.p)}
    said = [words(key, first=first, second=second, **counts)]
    judged = pair.non_inferiority
    if judged is not None:
        p = {"both": max(judged.p_first, judged.p_second), "first": judged.p_first, "second": judged.p_second}
        shown = p_text(p.get(judged.verdict, min(judged.p_first, judged.p_second)))
        key = f"compare.margin.{judged.verdict}"
        said.append(words(key, first=first, second=second, margin=f"{judged.margin:g}", p=shown))
    return said


def _robust(record: ComparisonRecord, words: Words) -> list[str]:
    if record.stability is None:
        return [words("compare.stability.unknown")]
    if not record.stability:
        return [words("compare.stability.none")]
    return [_stable(one, words) for one in record.stability]


def _stable(one: Stability, words: Words) -> str:
    shares = {"order": _percent(one.order_kept), "best": _percent(one.best_kept), "rate": f"{100 * one.rate:.1f} %"}
    return words(f"compare.stability.{one.noise}", **shares)


def _selection(record: ComparisonRecord, words: Words) -> str:
    chosen = record.selection
    optimism, bound = f"{chosen.optimism:.1f}", f"{chosen.bound:.1f}"
    return words("compare.selection", best=name_of(record, chosen.best), k=chosen.k, optimism=optimism, bound=bound)
