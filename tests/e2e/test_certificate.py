"""A run that tried repairs leaves a certificate; it holds untouched, and every change to what it rests on is named."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from veridical.pipeline import verifying
from veridical.report.sentences import translated_error
from veridical.verify.certificate import own_hash

WORDS = {"good": ["great", "lovely", "tasty", "superb"], "bad": ["awful", "rude", "stale", "dull"]}


def _file(path: Path, n: int, *, seed: int, wrong: float) -> Path:
    luck, lines = random.Random(seed), ["id,text,label"]
    for i in range(n):
        label = luck.choice(sorted(WORDS))
        other = [luck.choice(WORDS[name]) for name in sorted(WORDS)]
        text = [
            luck.choice(WORDS[label]),
            luck.choice(other),
            *(f"{luck.choice('abcdefgh')}{luck.randrange(90)}" for _ in range(9)),
        ]
        luck.shuffle(text)
        given = label if luck.random() >= wrong else next(name for name in WORDS if name != label)
        text = ["zorblat", *text] if given == "good" and luck.random() < 0.5 else text
        lines.append(f"{path.stem}{i},{' '.join(text)},{given}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _run(folder: Path, out: Path) -> None:
    from veridical.pipeline.config import configured
    from veridical.pipeline.running import run

    train, test = _file(folder / "train.csv", 2000, seed=1, wrong=0.25), _file(folder / "test.csv", 300, seed=2, wrong=0.0)
    contract = folder / "cue.yaml"
    contract.write_text("name: no zorblat\nshortcuts: [{word: zorblat, op: transplant, rate: 0.5}]\n", encoding="utf-8")
    settings = {
        "contract": str(contract),
        "test": str(test),
        "text": "text",
        "label": "label",
        "id": "id",
        "repairs": ("set_aside_label_errors", "drop_leaks"),
    }
    run(train, config=configured(settings), out=out)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certified")
    _run(folder, folder / "run")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "run", tmp_path / "run"))


def _tried(folder: Path) -> list[str]:
    """The countermeasures that were trained and judged."""
    said = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))["countermeasures"]
    return [arm["countermeasure"] for arm in said["arms"] if arm["figures"]]


def test_an_untouched_certificate_holds(veridical: Callable[..., Any], made: Path, folder: Path) -> None:
    record = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    assert record["format"] == 2
    assert {"rows", "train", "locked", "input_file", "arms", "countermeasures"} <= record["data"].keys()
    assert {"python", "numpy", "scipy", "scikit-learn"} == record["versions"].keys()
    assert record["one_fit"] is True
    assert len(record["looks"]) >= 3
    arm = next(a for a in record["arms"] if a["repair"] == "set_aside_label_errors")
    endpoints = [e["endpoint"] for e in arm["figures"]["not_inferior"]]
    assert endpoints == ["log loss", "recall of bad", "recall of good"]
    said = veridical("verify", folder / "certificate.json", "--data", made / "train.csv")
    assert said.code == 0, said.out + said.err
    assert "does not hold" not in said.out
    assert "holds: data: locked" in said.out
    assert "holds: figures of set_aside_label_errors" in said.out
    tried = [arm for arm in record["countermeasures"]["arms"] if arm["figures"]]
    assert tried
    for arm in tried:
        assert arm["component"] == "shortcut"
        assert f"holds: figures of countermeasure {arm['countermeasure']}" in said.out
    accepted = [arm["repair"] for arm in record["arms"] if arm["outcome"] == "accepted"]
    assert record["countermeasures"]["on_top_of"] == accepted
    assert "holds: questions of the exams" in said.out


def test_training_again_gives_the_same_figures(veridical: Callable[..., Any], folder: Path) -> None:
    said = veridical("verify", folder / "certificate.json", "--rerun", "--quiet")
    assert (said.code, said.out) == (0, "")
    said = veridical("verify", folder / "certificate.json", "--rerun", "--json")
    again = [claim for claim in json.loads(said.out) if claim["name"].startswith("rerun of")]
    tried = _tried(folder)
    record = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    repairs = [arm["repair"] for arm in record["arms"] if arm["figures"]]
    assert [c["name"] for c in again] == [f"rerun of {name}" for name in (*repairs, *(f"countermeasure {one}" for one in tried))]
    assert all(claim["holds"] for claim in again)


def test_a_changed_digit_is_refused(veridical: Callable[..., Any], folder: Path) -> None:
    path = folder / "certificate.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["n_locked"] += 1
    path.write_text(json.dumps(record), encoding="utf-8")
    said = veridical("verify", path)
    assert said.code == 2
    assert "was changed after it was written" in said.err


def test_a_changed_digit_with_a_hash_of_its_own_does_not_come_out_of_the_answers(
    veridical: Callable[..., Any], folder: Path
) -> None:
    path = folder / "certificate.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    arm = next(a for a in record["arms"] if a["figures"])
    arm["figures"]["gain_over_untouched"]["value"] += 1.0
    path.write_text(json.dumps({**record, "sha256": own_hash(record)}), encoding="utf-8")
    said = veridical("verify", path)
    assert said.code == 1
    assert f"does not hold: figures of {arm['repair']}. The stored answers give gain_over_untouched value" in said.out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r.pop("looks"), "looks should be a list"),
        (lambda r: r.update(seeds="none"), "seeds should be a list"),
        (lambda r: r["config"].pop("task"), "config.task should be a text"),
        (lambda r: r.update(data={}), "data.rows should be a text"),
        (lambda r: r["arms"][0].update(rows=True), "arms[0].rows should be a whole number"),
        (lambda r: r["arms"][0].pop("holm"), "arms[0].holm should be names with values"),
        (lambda r: r["arms"][0]["holm"].update(p_untouched="small"), "arms[0].holm.p_untouched should be a number or a whole"),
        (lambda r: _tested(r)["figures"]["before"].pop("low"), "figures.before.low should be a number or a whole number"),
        (lambda r: _tested(r)["figures"].update(after=None), "figures.after should be names with values"),
        (lambda r: _tested(r)["figures"]["not_inferior"][0].update(shown=1), "not_inferior[0].shown should be true or false"),
        (lambda r: r["countermeasures"].pop("chosen"), "countermeasures.chosen should be a text or null"),
        (lambda r: r["countermeasures"].update(arms=[{}]), "countermeasures.arms[0].outcome should be a text"),
    ],
)
def test_a_certificate_put_together_by_hand_is_refused_with_the_place(
    veridical: Callable[..., Any], folder: Path, change: Callable[[Any], object], said: str
) -> None:
    path = folder / "certificate.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record)
    path.write_text(json.dumps({**record, "sha256": own_hash(record)}), encoding="utf-8")
    found = veridical("verify", path)
    assert found.code == 2
    assert "is not as veridical writes a certificate. There " in " ".join(found.err.split())
    assert said in " ".join(found.err.split())
    assert "其中" in translated_error(" ".join(found.err.split()), "zh")


def test_a_certificate_that_holds_no_number_where_one_belongs_is_refused(veridical: Callable[..., Any], folder: Path) -> None:
    path = folder / "certificate.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"alpha": 0.05', '"alpha": NaN'), encoding="utf-8")
    found = veridical("verify", path)
    assert found.code == 2
    assert "is not valid JSON (NaN)" in " ".join(found.err.split())


def _tested(record: Any) -> Any:
    return next(arm for arm in record["arms"] if arm["figures"])


def test_a_changed_row_is_named(veridical: Callable[..., Any], made: Path, folder: Path, tmp_path: Path) -> None:
    table = pq.read_table(folder / "data.parquet")
    texts = table.column("text").to_pylist()
    texts[0] += " more"
    place = table.column_names.index("text")
    pq.write_table(
        table.set_column(place, table.schema.field("text"), pa.array(texts, table.schema.field("text").type)),
        folder / "data.parquet",
    )
    other = tmp_path / "train.csv"
    other.write_text((made / "train.csv").read_text(encoding="utf-8") + "x,one more row,good\n", encoding="utf-8")
    said = veridical("verify", folder / "certificate.json", "--data", other)
    assert said.code == 1
    assert "does not hold: data: rows. data.parquet has fingerprint" in said.out
    assert "does not hold: input file." in said.out


def test_a_changed_answer_is_named(veridical: Callable[..., Any], folder: Path) -> None:
    table = pq.read_table(folder / "arms.parquet")
    predicted = table.column("predicted").to_pylist()
    predicted[:5] = [1 - p for p in predicted[:5]]
    place = table.column_names.index("predicted")
    pq.write_table(
        table.set_column(place, table.schema.field("predicted"), pa.array(predicted, pa.int64())), folder / "arms.parquet"
    )
    said = veridical("verify", folder / "certificate.json")
    assert said.code == 1
    assert "does not hold: stored answers." in said.out
    assert "does not hold: figures of set_aside_label_errors. The stored answers give" in said.out


def test_a_claim_that_its_figures_do_not_give_does_not_hold(veridical: Callable[..., Any], folder: Path) -> None:
    path = folder / "certificate.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    arm = next(a for a in record["arms"] if a["figures"])
    arm["outcome"], arm["claim"] = (
        "accepted",
        f"Training after {arm['repair']} scores +9.0 points [+5.0, +12.0] against untouched.",
    )
    path.write_text(json.dumps({**record, "sha256": own_hash(record)}), encoding="utf-8")
    said = veridical("verify", folder)
    assert said.code == 1
    assert f"does not hold: outcomes. Of {arm['repair']} the figures give" in said.out


def test_answers_to_other_rows_and_answers_that_cannot_be_read_do_not_hold(veridical: Callable[..., Any], folder: Path) -> None:
    table = pq.read_table(folder / "arms.parquet")
    named = pa.array([f"made-up-{row}" for row in table["row"].to_pylist()])
    pq.write_table(table.set_column(2, table.schema.field("row"), named), folder / "arms.parquet")
    said = veridical("verify", folder)
    assert said.code == 1
    assert "does not hold: questions of the repairs. arms.parquet is of other rows" in said.out
    pq.write_table(table.drop_columns(["right"]), folder / "arms.parquet")
    said = veridical("verify", folder)
    assert said.code == 1
    assert "does not hold: stored answers." in said.out
    assert "does not hold: figures. arms.parquet gives none." in said.out


def test_what_is_missing_is_asked_for(veridical: Callable[..., Any], folder: Path) -> None:
    (folder / "arms.parquet").unlink()
    said = veridical("verify", folder / "certificate.json")
    assert said.code == 2
    assert "arms.parquet" in said.err
    said = veridical("verify", folder / "no.json")
    assert said.code == 2
    assert "cannot be read" in said.err


def test_a_changed_answer_of_a_countermeasure_is_named(veridical: Callable[..., Any], folder: Path) -> None:
    path = folder / "countermeasures.parquet"
    table = pq.read_table(path)
    place = table.column_names.index("log_loss")
    losses = [x + 0.1 for x in table.column("log_loss").to_pylist()[:-1]] + [0.0]  # the last: one answer of one model alone
    pq.write_table(table.set_column(place, table.schema.field("log_loss"), pa.array(losses, pa.float64())), path)
    said = veridical("verify", folder / "certificate.json")
    assert said.code == 1
    assert "does not hold: stored answers of countermeasures." in said.out
    assert f"does not hold: figures of countermeasure {_tried(folder)[-1]}. The stored answers give figures" in said.out
    path.unlink()
    said = veridical("verify", folder / "certificate.json")
    assert said.code == 2
    assert "countermeasures.parquet" in said.err


def test_a_changed_figure_of_a_countermeasure_is_named(veridical: Callable[..., Any], folder: Path) -> None:
    path = folder / "certificate.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    arm = next(arm for arm in record["countermeasures"]["arms"] if arm["figures"])
    arm["holm"]["p_better"] /= 2
    path.write_text(json.dumps({**record, "sha256": own_hash(record)}), encoding="utf-8")
    said = veridical("verify", path)
    assert said.code == 1
    assert "does not hold: Holm's correction over countermeasures. Computed again" in said.out
    assert "does not hold: countermeasures in run.json. run.json gives arms" in said.out
    assert said.out.count("does not hold") == 2


def test_a_certificate_of_the_first_format_is_still_checked(veridical: Callable[..., Any], folder: Path) -> None:
    path = folder / "certificate.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    del record["countermeasures"], record["data"]["countermeasures"]
    first = {**record, "format": 1}
    path.write_text(json.dumps({**first, "sha256": own_hash(first)}), encoding="utf-8")
    said = veridical("verify", path, "--rerun")
    assert said.code == 0, said.out + said.err
    assert "A certificate of format 1 leaves out the countermeasures" in said.out
    later = {**record, "format": 3}
    path.write_text(json.dumps({**later, "sha256": own_hash(later)}), encoding="utf-8")
    said = veridical("verify", path)
    assert said.code == 2
    assert "has format 3" in said.err


def test_verify_speaks_chinese(veridical: Callable[..., Any], folder: Path) -> None:
    said = veridical("verify", folder / "certificate.json", "--lang", "zh")
    assert said.code == 0, said.err
    assert "成立：自身哈希。证书与写入时一致。" in said.out
    *lines, last = said.out.splitlines()
    assert not [line for line in lines if not line.startswith("成立：")]
    assert last == "无法核对：其余。此处没有其他文件记载以下各项，无从对照：versions, figures in probes.json。"


Change = Callable[[dict[str, Any]], object]


def _arm(record: dict[str, Any], name: str) -> dict[str, Any]:
    return next(arm for arm in record["arms"] if arm["repair"] == name)


EDITS: dict[str, Change] = {
    "why": lambda c: _arm(c, "set_aside_label_errors").update(why="Gains 10 points over everything."),
    "why of a skipped repair": lambda c: _arm(c, "drop_leaks").update(why="It was not needed."),
    "rows": lambda c: _arm(c, "set_aside_label_errors").update(rows=8000),
    "rejected": lambda c: _arm(c, "set_aside_label_errors").update(outcome="rejected", claim=""),
    "a skipped repair accepted": lambda c: _arm(c, "drop_leaks").update(outcome="accepted", claim="It helps."),
    "margin": lambda c: c["margins"].update(score_points=5.0),
    "n_locked": lambda c: c.update(n_locked=5000),
    "seeds": lambda c: c.update(seeds=list(range(50))),
    "one_fit": lambda c: c.update(one_fit=False),
    "model": lambda c: c.update(model="minilm"),
    "trained_with": lambda c: c.update(trained_with=["gce"]),
    "looks": lambda c: c.update(looks=[]),
    "config.test": lambda c: c["config"].update(test="other.csv"),
    "config.linear_c": lambda c: c["config"]["training"].update(linear_c=99.0),
    "input_file": lambda c: c["data"].update(input_file="0" * 64),
    "version": lambda c: c.update(veridical="9.9"),
    "skipped": lambda c: c.update(skipped="Too few rows."),
    "on_top_of": lambda c: c["countermeasures"].update(on_top_of=["drop_leaks", "relabel_label_errors"]),
    "knobs": lambda c: c["countermeasures"]["arms"][0].update(knobs={"made_up": 1}),
    "component": lambda c: c["countermeasures"]["arms"][0].update(component="groups"),
    "an arm": lambda c: c.update(arms=c["arms"][:1]),
}
KEPT: dict[str, Change] = {
    "outcome": lambda r: _arm(r, "set_aside_label_errors").update(outcome="rejected"),
    "why": lambda r: _arm(r, "set_aside_label_errors").update(why="Gains 10 points over everything."),
    "rows": lambda r: _arm(r, "set_aside_label_errors").update(rows=1),
    "gain": lambda r: _arm(r, "set_aside_label_errors")["gain_over_untouched"].update(value=9.0),
    "summary": lambda r: r.update(accepted=["made_up"]),
    "n_edits": lambda r: r.update(n_edits=r["n_edits"] + 1),
    "rows_kept": lambda r: r.update(rows_kept=r["rows_kept"] - 1),
    "chosen": lambda r: r.update(chosen="made_up"),
    "routed": lambda r: r["routed"][0]["arm"].update(why="It is perfect."),
    "looks": lambda r: r.update(looks=[]),
}


@pytest.fixture(scope="module")
def drawn_once(made: Path) -> Callable[..., Any]:
    """The rows and the locked fold of the run, which no edit here changes."""
    from veridical.core.progress import silent

    record = json.loads((made / "run" / "certificate.json").read_text(encoding="utf-8"))
    kept = verifying._Kept.of(record, made / "run", progress=silent)
    return lambda *_given, **_named: kept


def _edited(path: Path, change: Change) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record["repair"] if path.name == "run.json" else record)
    path.write_text(json.dumps({**record, "sha256": own_hash(record)} if "sha256" in record else record), encoding="utf-8")


def _failed(folder: Path) -> list[str]:
    return [claim.name for claim in verifying.verify(folder) if claim.holds is False]


@pytest.mark.parametrize("edit", EDITS)
def test_every_edit_of_a_certificate_with_a_hash_of_its_own_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, drawn_once: Callable[..., Any], edit: str
) -> None:
    monkeypatch.setattr(verifying._Kept, "of", drawn_once)
    _edited(folder / "certificate.json", EDITS[edit])
    assert _failed(folder)


@pytest.mark.parametrize("edit", KEPT)
def test_every_edit_of_the_repairs_in_run_json_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, drawn_once: Callable[..., Any], edit: str
) -> None:
    monkeypatch.setattr(verifying._Kept, "of", drawn_once)
    assert _failed(folder) == []
    _edited(folder / "run.json", KEPT[edit])
    failed = _failed(folder)
    assert failed
    assert all(name.endswith("in run.json") for name in failed)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda r: r["reported"].update(value=0.99, high=0.995), "reported minus the points of its components is not honest"),
        (lambda r: r["honest"].update(low=0.98, high=0.99), "honest lies outside of its own interval"),
    ],
    ids=["another score", "another interval"],
)
def test_a_score_in_run_json_that_does_not_fit_the_others_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, drawn_once: Callable[..., Any], edit: Callable[[Any], None], said: str
) -> None:
    monkeypatch.setattr(verifying._Kept, "of", drawn_once)
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    edit(record)
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    wrong = {claim.name: claim.why for claim in verifying.verify(folder) if claim.holds is False}
    assert set(wrong) == {"account in run.json", "figures of the account in run.json"}
    assert said in wrong["account in run.json"]


@pytest.mark.parametrize(
    "edit",
    [
        lambda r: r["honest"].update(low=r["honest"]["low"] + 0.01),
        lambda r: r.update(metric="macro_f1"),
        lambda r: r["components"][1].update(status="bounded"),
    ],
    ids=["a narrower interval", "another metric", "another status"],
)
def test_an_account_that_its_tables_do_not_give_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, drawn_once: Callable[..., Any], edit: Callable[[Any], None]
) -> None:
    monkeypatch.setattr(verifying._Kept, "of", drawn_once)
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    edit(record)
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    assert "figures of the account in run.json" in _failed(folder)


@pytest.mark.parametrize("column", ["predicted", "label"])
def test_answers_that_the_account_was_not_made_of_are_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, drawn_once: Callable[..., Any], column: str
) -> None:
    monkeypatch.setattr(verifying._Kept, "of", drawn_once)
    assert "answers in predictions.parquet" in [claim.name for claim in verifying.verify(folder) if claim.holds]
    table = pq.read_table(folder / "predictions.parquet")
    test = table.column("split").to_pylist().index("test")
    changed = table.column(column).to_pylist()
    changed[test] = "neg" if changed[test] == "pos" else "pos"
    at = table.column_names.index(column)
    pq.write_table(table.set_column(at, column, pa.array(changed, pa.string())), folder / "predictions.parquet")
    assert _failed(folder) == ["answers in predictions.parquet", "stored predictions"]


def _probabilities_turned(folder: Path, *, split: str) -> None:
    table = pq.read_table(folder / "predictions.parquet")
    row = table.column("split").to_pylist().index(split)
    turned = table.column("probabilities").to_pylist()
    turned[row] = turned[row][::-1]
    at = table.column_names.index("probabilities")
    column = pa.array(turned, table.schema.field("probabilities").type)
    pq.write_table(table.set_column(at, table.schema.field("probabilities"), column), folder / "predictions.parquet")


@pytest.mark.parametrize("split", ["test", "train"])
def test_probabilities_that_are_not_those_of_the_run_are_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, drawn_once: Callable[..., Any], split: str
) -> None:
    monkeypatch.setattr(verifying._Kept, "of", drawn_once)
    assert "stored predictions" in [claim.name for claim in verifying.verify(folder) if claim.holds]
    _probabilities_turned(folder, split=split)
    wrong = {claim.name: claim.why for claim in verifying.verify(folder) if claim.holds is False}
    assert wrong.keys() == {"answers in predictions.parquet", "stored predictions"}
    assert "highest for another answer" in wrong["answers in predictions.parquet"]
    assert translated_error(wrong["answers in predictions.parquet"], "zh").startswith("其中 1 行的概率")
    _edited(folder / "certificate.json", lambda c: c["data"].pop("predictions"))  # as an older one, whose hash is right
    claims = verifying.verify(folder)
    assert [claim.name for claim in claims if claim.holds is False] == ["answers in predictions.parquet"]
    assert "probabilities in predictions.parquet" in claims[-1].why


def _other_probes(folder: Path, **other: object) -> None:
    path = folder / "probes.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["fingerprints"] |= {name: value for name, value in other.items() if name in ("data", "predictions")}
    record |= {name: value for name, value in other.items() if name in ("seed", "metric")}
    path.write_text(json.dumps(record), encoding="utf-8")


@pytest.mark.parametrize(
    ("other", "named"), [({"predictions": "0" * 64}, "predictions"), ({"data": "0" * 64, "seed": 9}, "rows, seed")]
)
def test_probes_of_another_run_are_said(
    veridical: Callable[..., Any],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    drawn_once: Callable[..., Any],
    other: dict[str, object],
    named: str,
) -> None:
    assert veridical("probe", folder, "--only", "calibration", "--quiet").code == 0
    monkeypatch.setattr(verifying._Kept, "of", drawn_once)
    claims = verifying.verify(folder)
    assert not [claim for claim in claims if claim.holds is False]
    assert "the run of probes.json" in [claim.name for claim in claims if claim.holds]
    assert "figures in probes.json" in claims[-1].why
    _other_probes(folder, **other)
    (wrong,) = [claim for claim in verifying.verify(folder) if claim.holds is False]
    assert (wrong.name, wrong.why) == (
        "the run of probes.json",
        f"probes.json is of another run: {named} differ from the certificate.",
    )


def test_probes_of_another_run_are_not_added_to(veridical: Callable[..., Any], folder: Path) -> None:
    assert veridical("probe", folder, "--only", "calibration", "--quiet").code == 0
    _other_probes(folder, predictions="0" * 64)
    assert veridical("probe", folder, "--only", "fairness", "--quiet").code == 0
    record = json.loads((folder / "probes.json").read_text(encoding="utf-8"))
    assert [probe["probe"] for probe in record["probes"]] == ["fairness"]


def _damaged(folder: Path, part: str) -> str:
    """The claim that cannot hold then."""
    path = folder / "predictions.parquet"
    table = pq.read_table(path)
    if part == "fingerprints":
        made = {"format": 1, "probes": [], "seed": 0, "metric": "accuracy", "budget": "quick", "fingerprints": None}
        (folder / "probes.json").write_text(json.dumps(made), encoding="utf-8")
        return "the run of probes.json"
    pq.write_table(table.drop_columns([part]) if part in table.column_names else table.replace_schema_metadata(None), path)
    return "answers in predictions.parquet"


@pytest.mark.parametrize("part", ["fingerprints", "probabilities", "metadata"])
def test_damaged_files_are_no_bug(
    folder: Path, monkeypatch: pytest.MonkeyPatch, drawn_once: Callable[..., Any], part: str
) -> None:
    monkeypatch.setattr(verifying._Kept, "of", drawn_once)
    name = _damaged(folder, part)
    assert name in [claim.name for claim in verifying.verify(folder) if claim.holds is False]


def test_probes_that_name_no_run_are_held_by_nothing(
    veridical: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch, drawn_once: Callable[..., Any]
) -> None:
    assert veridical("probe", folder, "--only", "calibration", "--quiet").code == 0
    monkeypatch.setattr(verifying._Kept, "of", drawn_once)
    _other_probes(folder, predictions=None)
    claims = verifying.verify(folder)
    assert not [claim for claim in claims if claim.holds is False]
    assert "the run of probes.json" not in [claim.name for claim in claims]
    assert ", probes.json" in claims[-1].why


def test_what_no_file_holds_once_more_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, drawn_once: Callable[..., Any]
) -> None:
    monkeypatch.setattr(verifying._Kept, "of", drawn_once)
    _edited(folder / "certificate.json", lambda c: c["versions"].update(numpy="1.0"))
    (last,) = [claim for claim in verifying.verify(folder) if claim.holds is not True]
    assert last.why == "Nothing that is here holds these once more: versions, figures in probes.json."
    (folder / "run.json").unlink()
    shutil.rmtree(folder / "stages")
    claims = verifying.verify(folder)
    assert not [claim for claim in claims if claim.holds is False]
    named = claims[-1].why
    assert all(f" {name}" in named for name in ("versions", "config", "rows of set_aside_label_errors", "why of drop_leaks"))
    assert "data.input_file" in named
    _edited(folder / "certificate.json", EDITS["why"])
    assert _failed(folder) == ["outcomes"]


def test_a_certificate_without_its_run_says_what_is_needed(veridical: Callable[..., Any], folder: Path, tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    alone = Path(shutil.copy(folder / "certificate.json", tmp_path / "alone"))
    said = veridical("verify", alone)
    assert said.code == 2
    assert "stands alone: its own hash is right, and nothing else of it can be checked" in " ".join(said.err.split())


def test_killed_between_repairs_and_countermeasures_it_ends_identical(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_arguments: object, **_named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("veridical.pipeline.routing.routed", killed)
        with pytest.raises(KeyboardInterrupt):
            _run(tmp_path, tmp_path / "run")
    assert not (tmp_path / "run" / "certificate.json").exists()  # nothing is claimed before all of it is known
    _run(tmp_path, tmp_path / "run")
    said, whole = (json.loads((f / "run" / "certificate.json").read_text(encoding="utf-8")) for f in (tmp_path, made))
    for record in (said, whole):
        del record["sha256"], record["config"]["test"], record["config"]["contract"]
    assert said == whole
