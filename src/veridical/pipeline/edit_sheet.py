"""`veridical probe RUN --label-sheet FILE`: edited texts for a person to read, and what the answers make of the probes.

The person sees the text before and after an edit and the label of the row, and says whether the label still holds: yes, no or
unsure; blank is not read.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from veridical.core import probe_record
from veridical.core.allowed import refuse_below
from veridical.core.atomic_write import refuse_other
from veridical.core.errors import InputError, UnknownName
from veridical.core.plugins import get
from veridical.core.probe_record import ProbeRecord
from veridical.core.progress import Progress, silent
from veridical.pipeline.edit_review_file import Drawn, EditReview, read_review, write_review
from veridical.pipeline.one_label import need_one_label
from veridical.pipeline.probing import BUDGET, finished_run, probe_run, subject_of_run, use_stored_threads
from veridical.pipeline.run_folder import held
from veridical.pipeline.sheet_file import ANSWER, as_written, is_unanswered, read_lines, write_lines

if TYPE_CHECKING:
    from veridical.probe._edit_review import EditedText
    from veridical.probe._subject import Subject

COLUMNS = ("id", "before", "after", "label", ANSWER)
ATTACKS = "adversarial"
"""The probe whose kinds are recipes."""
SPOKEN = {"yes": "yes", "no": "no", "unsure": "unsure", "是": "yes", "否": "no", "不确定": "unsure"}
"""What may stand in the column answer."""


def write_sheet(
    run: Path, *, rows: int, out: Path, only: Sequence[str] = (), kinds: Sequence[str] = (), budget: str | None = None,
    progress: Progress = silent,
) -> int:  # fmt: skip
    """Write edits to read, as many as there are up to `rows`; how many. only, kinds: of these probes and kinds alone."""
    from veridical.core.randomness import stream
    from veridical.probe._edit_review import drawn
    from veridical.probe._subject import Subject

    refuse_other(out, made="a label sheet without answers", ours=lambda path: is_unanswered(path, columns=COLUMNS))
    refuse_below("--rows", rows, low=1, example=150)
    record = finished_run(run)
    need_one_label(
        run, record, why="--label-sheet asks whether an edited text keeps its label.", instead="Probe it without --label-sheet."
    )
    names = _with_edits(only)
    with held(run):
        use_stored_threads(run)
        before, stored = probe_record.read(run), read_review(run)
        subject = subject_of_run(run, record, budget=budget or (before.budget if before else BUDGET), progress=progress)
        assert isinstance(subject, Subject)
        if subject.queries is None:
            raise InputError(
                f"The run in {run} judged a file of predictions; edits must be put to a model. Give it with --model."
            )
        of = {edit.id: (name, edit) for name in names for edit in _edits(name, subject, kinds) if edit.id not in stored.answers}
        edits = _of_kinds([edit for _, edit in of.values()], kinds)
        chosen = drawn(edits, n=rows, rng=stream(record.seed, f"label sheet/{len(stored.answers)}"))
        if not chosen:
            raise InputError(f"{run} has no edit of these kinds that is not read yet, so none can be written.")
        known = {edit.id: Drawn(of[edit.id][0], edit.kind, edit.right) for edit in chosen}
        write_review(run, EditReview({**stored.drawn, **known}, stored.answers))
        write_lines([(e.id, _shown(e.before), _shown(e.after), e.label, "") for e in chosen], out, columns=COLUMNS)
    return len(chosen)


def take_answers(run: Path, *, answers: Path, progress: Progress = silent) -> ProbeRecord:
    """The probes whose edits were read, done again with what the readers said."""
    finished_run(run)
    with held(run):
        stored = read_review(run)
        read = read_sheet(answers, drawn=stored.drawn)
        if not read:
            raise InputError(f"{answers} holds no answers. Fill in the column {ANSWER} with yes, no or unsure.")
        review = EditReview(stored.drawn, {**stored.answers, **read})
        write_review(run, review)
    names = sorted({review.drawn[name].probe for name in review.answers})
    return probe_run(run, only=names, kinds=_recipes_again(run, review), again=True, progress=progress)


def _recipes_again(run: Path, review: EditReview) -> tuple[str, ...]:
    """The recipes the attack was last made with, and those whose texts were read; none where no text of an attack was."""
    from veridical.probe._runner import FOLDER
    from veridical.probe.attack import RECIPES, recipes_named

    read = {review.drawn[name].kind for name in review.answers if review.drawn[name].probe == ATTACKS}
    if not read:
        return ()
    before = probe_record.read(run)
    outcome = before.probe(ATTACKS) if before else None
    last = outcome.params["recipes"] if outcome else get(FOLDER, "probe", ATTACKS).params.recipes
    return recipes_named([*last, *(read & set(RECIPES))])


def read_sheet(path: Path, *, drawn: Mapping[str, Drawn]) -> dict[str, str]:
    """Id -> yes, no or unsure; blank answers left out. Raises InputError for ids that no sheet of the run holds."""
    found: dict[str, str] = {}
    for row in read_lines(path, columns=COLUMNS, made_by="veridical probe --label-sheet", option="--label-answers"):
        said, name = as_written(row[ANSWER].strip()), as_written(row["id"])
        if not said:
            continue
        if name not in drawn:
            raise InputError(f"{path} answers for {name!r}, which no label sheet of this run asks about. Use its own sheet.")
        answer = SPOKEN.get(said.casefold())
        if answer is None:
            raise InputError(f"{path}: {name!r} has the answer {said!r}. Allowed: {', '.join(SPOKEN)}; or leave it blank.")
        if found.get(name, answer) != answer:
            raise InputError(f"{path} answers {name!r} twice: {found[name]!r} and {answer!r}. Keep one of them.")
        found[name] = answer
    return found


def _with_edits(only: Sequence[str]) -> list[str]:
    """Probes whose edits can be read. Raises UnknownName and InputError."""
    from veridical.probe._runner import FOLDER, chosen_probes

    wanted = chosen_probes(only or ("all",))
    able = [name for name in wanted if get(FOLDER, "probe", name).edits is not None]
    if not able:
        raise InputError(f"--only {','.join(only)} edits no texts. A label sheet holds the edits of robustness and adversarial.")
    return able


def _edits(name: str, subject: "Subject", kinds: Sequence[str]) -> "list[EditedText]":
    """As the probe itself draws them; an attack by the recipes among `kinds`, where there are some."""
    from veridical.core.randomness import stream
    from veridical.probe._runner import probe_of
    from veridical.probe.attack import RECIPES

    probe = probe_of(name, kinds=[kind for kind in kinds if kind in RECIPES])
    assert probe.edits is not None
    return probe.edits(subject, probe.params, stream(subject.seed, f"probe/{name}"))


def _of_kinds(edits: "list[EditedText]", kinds: Sequence[str]) -> "list[EditedText]":
    """kinds: `keyboard` is the kind of `keyboard, 30 %` too."""
    there = sorted({edit.kind for edit in edits} | {edit.kind.partition(",")[0] for edit in edits})
    for kind in kinds:
        if kind not in there:
            raise UnknownName("kind of edit", kind, there, "See docs/guide/changed-texts.md")
    return [edit for edit in edits if not kinds or {edit.kind, edit.kind.partition(",")[0]} & set(kinds)]


def _shown(text: "str | tuple[str, str]") -> str:
    return text if isinstance(text, str) else " ||| ".join(text)
