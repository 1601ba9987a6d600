"""What a search tried, in one sentence and a small table."""

from veridical.core.run_record import RunRecord
from veridical.core.search_record import SearchRecord, Trial
from veridical.report import figures
from veridical.report.safe_text import one_line
from veridical.report.wording import Words

SHOWN = 5
"""Trials of the table where room is scarce, the best first. Ours; no source."""
COLUMNS = ("trial", "state", "score", "epochs", "settings")


def search_sentences(record: RunRecord, said: Words) -> tuple[str, ...]:
    """What was chosen, and how much being the best of many flatters it; nothing without a search."""
    found = record.search
    if found is None or found.best.score is None:
        return ()
    ended = {state: sum(trial.state == state for trial in found.trials) for state in ("pruned", "failed")}
    key = "search.chosen_first" if found.chosen == 1 else "search.chosen"
    chosen = said(
        key,
        trial=found.chosen,
        n=len(found.trials),
        pruned=ended["pruned"],
        failed=ended["failed"],
        rows=figures.count(found.n_valid),
        settings=settings_shown(found.best),
    )
    metric, score = said.name("metric", found.metric), figures.score(found.best.score)
    if found.n_distinct < 2:
        return chosen, said("search.alike", metric=metric, score=score)
    flattered = said(
        "search.flattered",
        metric=metric,
        score=score,
        k=found.n_distinct,
        optimism=f"{found.optimism:.1f}",
        bound=f"{found.bound:.1f}",
        looks=figures.count(found.looks),
    )
    return chosen, flattered


def search_table(record: RunRecord, said: Words, *, shown: int | None = None) -> tuple[tuple[str, ...], ...]:
    """First row the head; trials by score, those that failed last. shown: how many; None for all."""
    if record.search is None:
        return ()
    ranked = sorted(record.search.trials, key=lambda trial: (trial.score is None, -(trial.score or 0.0), trial.number))
    rows = [_row(trial, record.search, said) for trial in ranked[:shown]]
    return (tuple(said(f"search.{name}") for name in COLUMNS), *rows)


def _row(trial: Trial, found: SearchRecord, said: Words) -> tuple[str, ...]:
    state = "chosen_trial" if trial.number == found.chosen else trial.state
    score = "–" if trial.score is None else figures.score(trial.score)
    epochs = " ".join(figures.score(value) for value in trial.epochs) or "–"
    return str(trial.number), said(f"search.state.{state}"), score, epochs, settings_shown(trial)


def settings_shown(trial: Trial) -> str:
    return one_line(", ".join(f"{name} {value:.3g}" for name, value in trial.settings.items()), limit=200)
