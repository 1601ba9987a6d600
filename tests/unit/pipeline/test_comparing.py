"""Run folders compared: the ledger's own honest scores, leaks of either run, shared rows, reviews, looks, and what is refused."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.unit.ledger.made_up_world import Made, account, made

from veridical.core import looks, run_record
from veridical.core.atomic_write import write_json
from veridical.core.comparison_record import ComparisonRecord, read, save
from veridical.core.errors import InputError, UnknownName
from veridical.core.looks import Look
from veridical.core.run_record import RunRecord
from veridical.dataset import storage
from veridical.dataset.fingerprint import fingerprint_of_test
from veridical.ledger.tables import Tables, save_tables
from veridical.pipeline.comparing import ONE_NOISE, compare, joined
from veridical.report.comparison_view import view
from veridical.report.wording import words as in_language

WORLD_SEED = 1


@pytest.fixture(scope="module")
def world() -> Made:
    return made(seed=WORLD_SEED, leaked=60, n_truth=10)


@pytest.fixture(scope="module")
def tables(world: Made) -> Tables:
    return world.tables()


@pytest.fixture
def folder(world: Made, tables: Tables, tmp_path: Path) -> Callable[..., Path]:
    """Write a finished run folder of the made-up world."""

    def write(
        name: str, *, table: Tables | None = None, metric: str = "accuracy", complete: bool = True, texts: bool = True, data=None,
        labels: tuple[str, ...] | None = None, task: str = "classification",
    ) -> Path:  # fmt: skip
        path = tmp_path / name
        path.mkdir()
        used = table or tables
        record = RunRecord(
            veridical="0", complete=complete, task=task, metric=metric, model="linear", seed=0, n_train=500,
            n_test=len(used.ids), labels=labels or world.data.labels, ledger=account(world, tables=tables, metric=metric),
            repair=None, config={}, fingerprints={"test": fingerprint_of_test(data or world.data)}, seconds={}, peak_rss_mb=1,
        )  # fmt: skip
        run_record.save(record, path)
        save_tables(used, path / "tables.npz")
        if texts:
            storage.save(data or world.data, path / "data.parquet")
        write_json(path / "stages" / "identity.json", {"config": {"name": name}, "data": {}, "machine": {"threads": 1}})
        return path

    return write


def worse(tables: Tables, share: float, *, seed: int = 0) -> Tables:
    turned = np.random.default_rng(seed).random(len(tables.codes)) < share
    return dataclasses.replace(tables, predicted=np.where(turned, 1 - tables.predicted, tables.predicted))


def subset(tables: Tables, kept: np.ndarray) -> Tables:
    """The tables of a smaller test set; what compare does not read is left as it is."""
    people = tables.people
    cut = {name: getattr(people, name)[kept] for name in ("rows", "cluster", "leaked", "basis", "vote")}
    noise = dataclasses.replace(tables.noise, expected=tables.noise.expected[kept])
    rows = {
        name: getattr(tables, name)[kept] for name in ("ids", "codes", "predicted", "elsewhere", "cue_present", "cue_predictions")
    }
    return dataclasses.replace(tables, people=dataclasses.replace(people, **cut), noise=noise, **rows)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_scores_are_those_of_the_ledgers(world, tables, folder, metric):
    other = worse(tables, 0.3)
    a, b = folder("a", metric=metric), folder("b", table=other, metric=metric)
    found = compare([a, b])
    ledgers = [account(world, tables=t, metric=metric) for t in (tables, other)]
    assert [run.reported.value for run in found.runs] == pytest.approx([led.reported.value for led in ledgers], abs=1e-12)
    assert [run.honest.value for run in found.runs] == pytest.approx([led.honest.value for led in ledgers], abs=1e-9)
    (pair,) = found.pairs
    assert pair.honest.points.value == pytest.approx(100 * (ledgers[1].honest.value - ledgers[0].honest.value), abs=1e-7)
    assert pair.reported.points.value == pytest.approx(100 * (ledgers[1].reported.value - ledgers[0].reported.value), abs=1e-9)
    assert found.terms == "honest"
    assert pair.honest.told
    assert pair.honest.points.value < 0
    assert [run.name for run in found.runs] == ["a", "b"]


def test_rows_that_either_run_has_in_train_are_left_out(tables, folder):
    """Run b is perfect on rows it has in train and no better elsewhere: reported far ahead, honest not told apart."""
    mine = np.zeros(len(tables.codes), bool)
    mine[:150] = True
    predicted = np.where(mine, tables.codes, tables.predicted)
    leaky = dataclasses.replace(
        tables, predicted=predicted, people=dataclasses.replace(tables.people, leaked=tables.people.leaked | mine)
    )
    found = compare([folder("a"), folder("b", table=leaky)])
    (pair,) = found.pairs
    assert pair.reported.told
    assert pair.reported.points.value > 5
    assert pair.honest.points.value == pytest.approx(0.0, abs=1e-9)
    assert not pair.honest.told
    assert (found.runs[0].leaked, found.runs[1].leaked) == (int(tables.people.leaked.sum()), int(leaky.people.leaked.sum()))
    assert any("Left out because b alone has them in train: 150." in note for note in found.notes)


def test_with_everything_leaked_only_reported_differences_are_given_and_it_is_said(tables, folder):
    leaked = dataclasses.replace(tables, people=dataclasses.replace(tables.people, leaked=np.ones(len(tables.codes), bool)))
    found = compare(
        [folder("a"), folder("b", table=dataclasses.replace(leaked, predicted=worse(tables, 0.2).predicted))], margin=1
    )
    assert found.terms == "reported"
    assert found.pairs[0].honest is None
    assert found.runs[0].honest is None
    assert found.pairs[0].non_inferiority.terms == "reported"
    assert any("too few to compare in honest terms" in note for note in found.notes)


def test_runs_are_judged_by_the_one_that_foresees_best_in_whichever_order_they_are_named(tables, folder):
    """Run b's fold models know half as much of each row: its noise and description would score the same answers otherwise."""
    dim = 0.5 * tables.noise.expected + 0.25
    blunt = dataclasses.replace(worse(tables, 0.1), noise=dataclasses.replace(tables.noise, expected=dim, upper_rate=0.3))
    flat = dataclasses.replace(blunt.people, basis=0.3 * blunt.people.basis)
    a, b = folder("a"), folder("b", table=dataclasses.replace(blunt, people=flat))
    first, second = compare([a, b]), compare([b, a])
    assert first.runs[0].honest.value == second.runs[1].honest.value
    assert first.pairs[0].honest.points.value == pytest.approx(-second.pairs[0].honest.points.value, abs=1e-9)
    assert first.runs[0].honest.value == pytest.approx(compare([a, folder("c")]).runs[0].honest.value, abs=1e-12)


def test_noise_that_differs_between_groups_is_said_to_be_counted_as_one(tables, folder):
    number = np.arange(len(tables.codes)) % 2
    stack = np.stack([np.eye(2), np.array([[0.8, 0.2], [0.2, 0.8]])])
    apart = dataclasses.replace(
        tables.noise, number=number, of_group=stack, range_of=np.array([[0.0, 0.1], [0.0, 0.3]]), apart=True
    )
    noisy = dataclasses.replace(tables, noise=apart)
    assert ONE_NOISE in compare([folder("a", table=noisy), folder("b", table=noisy)]).notes
    assert ONE_NOISE not in compare([folder("c"), folder("d")]).notes


def test_equal_models(folder):
    found = compare([folder("a"), folder("b")])
    (pair,) = found.pairs
    assert pair.honest.p == pair.reported.p == 1.0
    assert not pair.main.told
    assert 0 < pair.main.mde < 5
    assert found.ranks == ((0.5, 0.5), (0.5, 0.5))


def test_three_runs_and_the_record_survives_the_disk(tables, folder, tmp_path):
    found = compare(
        [folder("a"), folder("b", table=worse(tables, 0.05)), folder("c", table=worse(tables, 0.4))], margin=2, seed=4
    )
    assert [(p.first, p.second) for p in found.pairs] == [(0, 1), (0, 2), (1, 2)]
    assert found.pairs[1].honest.told
    path = save(found, tmp_path / "comparison.json")
    assert read(path) == found
    assert next(iter(json.loads(path.read_text(encoding="utf-8")))) == "format"
    assert found == compare([tmp_path / name for name in "abc"], margin=2, seed=4)


def test_reviews_of_all_runs_count_and_a_clash_is_unsure(world, tables, folder):
    a, b = folder("a"), folder("b", table=worse(tables, 0.1))
    ids = [str(row) for row in tables.ids]
    labels = {row: world.data.labels[code] for row, code in zip(ids, tables.codes, strict=True)}
    other = {"neg": "pos", "pos": "neg"}
    write_json(a / "review.json", {"format": 1, "answers": {row: labels[row] for row in ids[:80]}})
    clash = {ids[0]: other[labels[ids[0]]], **{row: labels[row] for row in ids[80:120]}, ids[120]: other[labels[ids[120]]]}
    write_json(b / "review.json", {"format": 1, "answers": clash})
    found = compare([a, b])
    assert any("Labels reviewed: 120, changed: 1." in note for note in found.notes)
    assert any("disagree, counted as unsure: 1." in note for note in found.notes)
    assert [s.noise for s in found.stability] == ["reviewed"]
    assert found.pairs[0].honest.points.value < 0


def test_a_review_of_every_row_moves_the_difference_to_the_truth(world, tables, folder):
    """Labels of 40 rows that only b gets right turn out wrong: b's lead becomes a's."""
    turned = np.flatnonzero((tables.predicted == tables.codes) & ~tables.people.leaked)[:40]
    codes = tables.codes.copy()
    codes[turned] = 1 - codes[turned]
    other = tables.predicted.copy()
    other[turned] = codes[turned]
    flawed = dataclasses.replace(tables, codes=codes)
    names = world.data.table.column("id").to_pylist()
    test = {str(row): world.data.labels[code] for row, code in zip(tables.ids, codes, strict=True)}
    data = world.data.with_column(
        "label", [test.get(row, old) for row, old in zip(names, world.data.table["label"].to_pylist(), strict=True)]
    )
    a = folder("a", table=flawed, data=data)
    b = folder("b", table=dataclasses.replace(flawed, predicted=other), data=data)
    before = compare([a, b]).pairs[0]
    assert before.honest.points.value > 5
    answers = {str(row): world.data.labels[code] for row, code in zip(tables.ids, tables.codes, strict=True)}
    write_json(a / "review.json", {"format": 1, "answers": answers})
    after = compare([a, b]).pairs[0]
    assert after.honest.points.value < -5
    assert after.honest.told
    assert after.reported == before.reported


def test_where_a_run_s_own_ledger_says_otherwise_both_stand_there_with_the_reason(world, tables, folder):
    """Labels are corrected in one way for all runs of a comparison, in each ledger by its own noise model."""
    a, b = folder("a"), folder("b", table=worse(tables, 0.1))
    assert [run.elsewhere for run in compare([a, folder("same")]).runs] == [False, False]
    ids = [str(row) for row in tables.ids]
    answers = {row: world.data.labels[code] for row, code in zip(ids[::3], tables.codes[::3], strict=True)}
    answers |= {row: {"neg": "pos", "pos": "neg"}[answers[row]] for row in list(answers)[:30]}
    write_json(a / "review.json", {"format": 1, "answers": answers})
    record = run_record.read(a)
    reviewed = account(world, tables=tables, answers=answers)
    run_record.save(dataclasses.replace(record, ledger=reviewed), a)
    found = compare([a, b])
    first, second = found.runs
    assert first.ledger.value == reviewed.honest.value
    for run in found.runs:
        assert run.elsewhere == (abs(run.honest.value - run.ledger.value) >= 0.0005)
    assert first.elsewhere or second.elsewhere
    said = [note for note in found.notes if " in its own ledger" in note]
    assert len(said) == first.elsewhere + second.elsewhere
    assert all("each by its own noise model" in note for note in said)
    assert any("b has the honest score" in note and "reviews of the other runs count too" in note for note in said)
    drawn = view(found, in_language("en"))
    assert "honest by its own ledger" in drawn.runs[0]
    assert f"{100 * first.ledger.value:.1f}" in drawn.runs[1][3]
    chinese = view(found, in_language("zh"))
    assert not [note for note in chinese.notes if "ledger" in note]


def test_rows_that_another_run_has_in_train_are_named_as_the_reason(tables, folder):
    mine = np.zeros(len(tables.codes), bool)
    mine[:150] = True
    leaky = dataclasses.replace(tables, people=dataclasses.replace(tables.people, leaked=tables.people.leaked | mine))
    found = compare([folder("a"), folder("b", table=leaky)])
    (said,) = [note for note in found.notes if note.startswith("a has the honest score")]
    assert "rows that another run has in train are left out" in said


def test_other_test_sets_are_refused_with_counts_and_compared_where_shared(tables, folder):
    a = folder("a")
    b = folder("b", table=worse(subset(tables, np.arange(360) < 200), 0.1))
    with pytest.raises(InputError, match=r"360 test rows.*\(200\).*200 ids are in both.*--shared"):
        compare([a, b])
    found = compare([a, b], shared=True)
    assert found.n == 200
    assert any("share 200 rows" in note for note in found.notes)
    disjoint = dataclasses.replace(tables, ids=np.array([f"z{row}" for row in tables.ids]))
    with pytest.raises(InputError, match="0 ids are in both"):
        compare([a, folder("c", table=disjoint)])
    with pytest.raises(InputError, match="share 0 test rows"):
        compare([a, folder("d", table=disjoint)], shared=True)


def test_other_labels_or_texts_under_the_same_ids_are_noticed(world, tables, folder):
    codes = tables.codes.copy()
    codes[:3] = 1 - codes[:3]
    a, b = folder("a"), folder("b", table=dataclasses.replace(tables, codes=codes))
    with pytest.raises(InputError, match="3 of these have another label"):
        compare([a, b])
    assert compare([a, b], shared=True).n == len(codes) - 3
    shown = world.data.table.column("text").to_pylist()
    tests = world.data.rows("test")[:2]
    edited = [f"{text} edited" if at in tests else text for at, text in enumerate(shown)]
    c = folder("c", data=world.data.with_column("text", edited))
    with pytest.raises(InputError, match="2 have another text"):
        compare([a, c])
    assert compare([a, c], shared=True).n == len(codes) - 2
    d = folder("d", texts=False)
    assert any("keeps no texts" in note for note in compare([a, d]).notes)


def test_label_sets_may_differ(tables, folder):
    """Run b knows a third label that no test row carries."""
    wide = dataclasses.replace(
        tables, codes=2 * tables.codes, predicted=2 * tables.predicted,
        noise=dataclasses.replace(tables.noise, expected=np.insert(tables.noise.expected, 1, 0.0, axis=1), transition=np.eye(3)),
    )  # fmt: skip
    b = folder("b", table=wide, labels=("neg", "neutral", "pos"))
    for order in (["a", "b"], ["b", "a"]):
        found = compare([b.parent / name if name == "b" else _once(folder, b.parent / "a") for name in order])
        assert found.pairs[0].main.points.value == pytest.approx(0.0, abs=1e-9)


def _once(folder: Callable[..., Path], path: Path) -> Path:
    return path if path.is_dir() else folder(path.name)


def test_looks_are_the_distinct_runs_in_the_logs(world, folder, tmp_path):
    a, b = folder("a"), folder("b")
    assert compare([a, b]).selection.looks == 2
    test = fingerprint_of_test(world.data)
    log = tmp_path / looks.FILE
    for name, other in (("x", test), ("x", test), ("y", test), ("z", "another test set")):
        looks.append(log, Look(other, name, name, looks.now(), "linear", "accuracy", 0.9))
    with log.open("a", encoding="utf-8") as file:
        file.write("scribble\n")
    found = compare([a, b]).selection
    assert (found.looks, found.lines_not_ours) == (4, 1)
    assert found.bound_looks >= found.bound


def test_what_is_refused(tables, folder, tmp_path):
    a, b = folder("a"), folder("b", metric="macro_f1")
    for runs, words in (
        ([a], "at least two runs; 1 was given"),
        ([], "at least two runs; 0"),
        ([a, a], "named twice"),
        ([a, tmp_path / "." / "a"], "named twice"),
        ([a, tmp_path / "absent"], "holds no run.json"),
        ([a, folder("half", complete=False)], "not finished"),
        ([a, b], "--metric NAME"),
        ([a, folder("task", task="tagging")], "one task"),
    ):
        with pytest.raises(InputError, match=words):
            compare(runs)
    assert compare([a, b], metric="macro_f1").metric == "macro_f1"
    with pytest.raises(UnknownName, match="macro_f1"):
        compare([a, b], metric="macrof1")
    for margin in (0.0, -1.0, 101.0, float("nan")):
        with pytest.raises(InputError, match="--margin"):
            compare([a, folder(f"m{margin}")], margin=margin)


def test_tables_that_are_damaged_or_of_another_version_end_in_one_sentence(folder):
    a, b = folder("a"), folder("b")
    with np.load(a / "tables.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    for lacking in ("ids", "noise.transition"):
        np.savez_compressed(b / "tables.npz", allow_pickle=False, **{k: v for k, v in arrays.items() if k != lacking})
        with pytest.raises(InputError, match="another version"):
            compare([a, b])
    (b / "tables.npz").write_bytes(b"PK not a zip")
    with pytest.raises(InputError, match="cannot be read"):
        compare([a, b])
    (b / "tables.npz").unlink()
    with pytest.raises(InputError, match="is missing"):
        compare([a, b])


def test_runs_of_one_name_are_told_apart_by_their_path(folder, tmp_path):
    a = folder("a")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").symlink_to(folder("b"))
    found = compare([a, tmp_path / "sub" / "a"])
    assert isinstance(found, ComparisonRecord)
    assert len({run.name for run in found.runs}) == 2


def test_rows_hang_together_through_any_run():
    assert list(joined([np.array([0, 0, 1, 2, 3]), np.array([5, 6, 6, 7, 8])])) == [0, 0, 0, 1, 2]
    assert list(joined([np.array([4, 4, 9])])) == [0, 0, 1]
