"""Run folders that never change, built by code: one with hostile data in it, and the worst cases a report must survive."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from veridical.core import run_record
from veridical.core.estimate import Estimate
from veridical.core.finding import CheckRecord, Finding
from veridical.core.ledger_record import Component, ContractScore, Interaction, Ledger
from veridical.core.run_record import Arm, RepairRecord, RunRecord

SCRIPT = "<script>alert('x')</script>"
IMAGE = '"><img src=x onerror="alert(1)">'
CLOSING = "</script></style><!-- {{ 7*7 }} ${7*7} & &amp;"
TURNED = "safe \u202egnp.exe\u202c text \u200bzero\x1b[31m red \x07 bell"
EMOJI = "👩‍👩‍👧 🎉 שלום العربية"
LONG = "很好看的一本书，内容丰富，值得一读。" * 600
NEWLINE_ID = "row\nwith\nnewlines"
SCRIPT_ID = f"id-{SCRIPT}"
HOSTILE = (SCRIPT, IMAGE, "<img src=x", "</script></style>", "\u202e", "\x1b", "\x07", "\u200b")


def share(value: float, low: float, high: float, method: str = "cluster bootstrap", *, n: int = 7025) -> Estimate:
    return Estimate(value, low, high, 0.95, n, min(n, 4100), method)


def ledger() -> Ledger:
    return Ledger(
        metric="accuracy",
        votes="clusters",
        reported=share(0.961, 0.956, 0.965),
        honest=share(
            0.853, 0.839, 0.866, "calibrated to the population, clusters resampled, label noise bounded (Imbens-Manski)"
        ),
        contract=None,
        components=_components(),
        floors={
            "majority": share(0.503, 0.49, 0.52, "Wilson"),
            "one_word": share(0.587, 0.57, 0.60, "Wilson"),
            "bag_of_words": share(0.832, 0.82, 0.85, "Wilson"),
        },
        notes=("Test-label noise is an interval until labels are reviewed.",),
        interactions=(Interaction("leakage", "sample", share(0.8, 0.5, 1.2, "Shapley interaction index")),),
        variance={"test rows": 0.992, "population": 0.008, "review": 0.0, "train rows": 0.0, "target": 0.0},
    )


def _components() -> tuple[Component, ...]:
    zero = share(0.0, 0.0, 0.0, "identity")
    leaked = (
        "5437 of 7025 test rows (77.4 %) have an equal or near-equal text in train; each was given the score this model gets "
    )
    leaked += "on unleaked rows of the same difficulty."
    unread = f"No label was reviewed. {SCRIPT} Stated model: train labels are as right as fresh ones."
    return (
        Component("protocol", "measurement", "measured", zero, 0.0, 7025, "One vote a row.", 0.0, 0.0),
        Component(
            "leakage", "measurement", "measured", share(11.02, 9.93, 12.11, "imputed from unleaked rows"), 1.1, 5437, leaked,
            10.6, 11.4, {"leaked_rows": 5437, "unleaked_rows": 1588},
        ),
        Component("sample", "measurement", "not_detected", share(0.21, -0.5, 0.92), 0.8, 7025, "Weighted.", 0.1, 0.3),
        Component("noise", "measurement", "bounded", share(-0.43, -2.6, 0.0), 0.9, 7025, unread, -0.5, -0.4, {"word": IMAGE}),
        Component("reuse", "measurement", "skipped", None, None, 0, "No log of earlier looks at this test set."),
        Component("shortcut", "transfer", "candidate", None, None, 3, f"Words that go with a label: {SCRIPT}; 差评; \u202eeot."),
    )  # fmt: skip


def arm(repair: str, outcome: str, kind: str, gain: float, *, why: str = "") -> Arm:
    return Arm(
        repair=repair, outcome=outcome, kind=kind, why=why or "Paired over clusters and 5 seeds.", rows=1203,
        before=share(0.846, 0.832, 0.86, n=4215), after=share(0.846 + gain / 100, 0.83, 0.89, n=4215),
        placebo=share(0.845, 0.831, 0.859, n=4215),
        gain_over_untouched=share(gain, gain - 0.7, gain + 0.7, "paired", n=4215),
        gain_over_placebo=share(gain + 0.1, gain - 0.6, gain + 0.8, "paired", n=4215),
        p_untouched=0.003, p_placebo=0.004, mde=1.0,
    )  # fmt: skip


def repairs() -> RepairRecord:
    arms = (
        arm("set_aside_label_errors", "accepted", "training", 1.4),
        arm("drop_duplicates", "harmless", "training", 0.1),
        arm("rebalance_weights", "rejected", "training", -0.9, why=f"Worse than untouched {SCRIPT}."),
    )
    together = arm("set_aside_label_errors + drop_duplicates", "accepted", "training", 1.6)
    return RepairRecord(arms, 4215, (0, 1, 2, 3, 4), "", 1203, 35123, 33920, 1203, combination=together, one_fit=True)


def record() -> RunRecord:
    return RunRecord(
        veridical="0.1.0",
        complete=True,
        task="classification",
        metric="accuracy",
        model="linear",
        seed=0,
        n_train=28098,
        n_test=7025,
        labels=("neg", "pos", SCRIPT),
        ledger=ledger(),
        repair=repairs(),
        config={"model": "linear", "text": IMAGE, "seed": 0, "countermeasures": [], "test": None},
        fingerprints={"data": "5f" * 32, "TRAIN": "a1" * 32},
        seconds={"load": 1.25, "audit": 22.5, "train": 14.0, "account": 0.8, "repair": 31.0},
        peak_rss_mb=812,
        warnings=(f"The file is GBK, not UTF-8; column {IMAGE} was guessed.",),
        set_aside={"empty text": 12, f"label {SCRIPT} unseen in train": 1},
    )


def under_contract() -> RunRecord:
    base = record()
    assert base.ledger is not None
    shortcut = Component(
        "shortcut:差评",
        "transfer",
        "measured",
        share(4.2, 3.1, 5.3, "transplant"),
        1.0,
        7025,
        "Put into half of the rows.",
        4.0,
        4.4,
    )
    contract = ContractScore(f"shop {SCRIPT}", "c0" * 32, share(0.811, 0.795, 0.826, "under the contract"))
    parts = (*base.ledger.components[:-1], shortcut)
    return replace(base, ledger=replace(base.ledger, contract=contract, components=parts))


def without_repair() -> RunRecord:
    return replace(record(), repair=None)


def external() -> RunRecord:
    skipped = RepairRecord(
        skipped="A file of predictions cannot be retrained, so no repair was tested. Give a model to test repairs."
    )
    return replace(record(), model="predictions", repair=skipped)


def unfinished() -> RunRecord:
    return replace(record(), complete=False, ledger=None, repair=None)


WORST_CASES = {"contract": under_contract, "no_repair": without_repair, "external": external, "unfinished": unfinished}


def checks() -> tuple[CheckRecord, ...]:
    leaks = (
        Finding(NEWLINE_ID, "test", 1.0, "Equal to a train row after normalisation.", "", "t1", "keep_clusters_together"),
        Finding(SCRIPT_ID, "test", 0.93, f"Near-equal to a train row {SCRIPT}.", "Jaccard 0.93", "t2", "keep_clusters_together"),
        Finding("long", "test", 0.9, "Stands inside a longer train text.", "containment 0.99", "t3", "keep_clusters_together"),
        Finding("absent", "test", 0.88, "Near-equal to a train row.", "Jaccard 0.88", "gone", "keep_clusters_together"),
    )
    words = (Finding("", "train", 0.8, f"The word {IMAGE} goes with the label pos.", IMAGE),)
    errors = (Finding("t2", "train", 0.97, "Both model families say pos.", "pos 0.97", "", "set_aside_label_errors"),)
    measured = {"share_of_test": share(0.774, 0.76, 0.784, "Wilson")}
    why = "it needs two texts in a row; this task has one."
    return (
        CheckRecord("train_test_overlap", "found", 35123, 4, "5,437 test rows.", "", measured, {"threshold": 0.8}, 3.2, leaks),
        CheckRecord("label_words", "found", 28098, 1, "One word.", "", {}, {"min_rows": 8}, 0.8, words),
        CheckRecord("label_errors", "found", 28098, 1, "One row.", "", {}, {}, 4.0, errors),
        CheckRecord("encoding_damage", "clean", 35123, 0, "", "", {}, {}, 0.4),
        CheckRecord("partial_input", "skipped", 0, 0, "", why, {}, {}, 0.0),
        CheckRecord("a_plug_in", "clean", 35123, 0, "", "", {}, {"word": SCRIPT}, 0.1),
    )


def rows() -> pa.Table:
    listed = [
        (NEWLINE_ID, "test", f"{SCRIPT} {TURNED}", None, "pos"),
        ("t1", "train", f"{SCRIPT} {TURNED}", None, "pos"),
        (SCRIPT_ID, "test", f"A quiet book {EMOJI}, slow but warm. {CLOSING}", "It's <b>bold</b>.", SCRIPT),
        ("t2", "train", f"A quiet book {EMOJI}, slow and warm. {CLOSING}", "It's <i>bold</i>.", "neg"),
        ("long", "test", LONG, None, "pos"),
        ("t3", "train", f"前言。{LONG}", None, "pos"),
    ]
    columns = zip(*listed, strict=True)
    return pa.table(
        {name: pa.array(c, pa.string()) for name, c in zip(("id", "split", "text", "second", "label"), columns, strict=True)}
    )


def write_run(folder: Path, made: RunRecord | None = None, *, texts: bool = True, audit: bool = True) -> Path:
    """The files of a run folder, as the pipeline writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    run_record.save(made or record(), folder)
    if audit:
        _write_audit(folder)
    if texts:
        pq.write_table(rows(), folder / "rows.parquet")
    (folder / "certificate.json").write_text(json.dumps({"format": 1, "sha256": f"{SCRIPT}{'ab' * 25}"}), encoding="utf-8")
    ids = rows().column("id").to_pylist()
    predicted = ["neg", "pos", IMAGE, "pos", "neg", "pos"]
    pq.write_table(pa.table({"id": ids, "predicted": predicted}), folder / "predictions.parquet")
    edits = {"row": ["t2"], "action": ["set_aside"], "field": [""], "before": ["{}"], "after": [""], "reason": ["x"]}
    pq.write_table(pa.table({**edits, "check": ["label_errors"], "repair": ["set_aside_label_errors"]}), folder / "edits.parquet")
    return folder


def _write_audit(folder: Path) -> None:
    flat = [(check.check, finding) for check in checks() for finding in check.findings]
    columns = {
        name: [getattr(f, name) for _, f in flat]
        for name in ("row", "split", "score", "reason", "evidence", "other_row", "repair")
    }
    pq.write_table(pa.table({**columns, "check": [check for check, _ in flat]}), folder / "findings.parquet")
    plain = [{k: v for k, v in asdict(check).items() if k != "findings"} for check in checks()]
    (folder / "audit.json").write_text(json.dumps({"format": 1, "seed": 0, "checks": plain}), encoding="utf-8")
