"""Every objective: its docstring, its known answers, and what it hides at which rate."""

import random
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from veridical.core.errors import InputError
from veridical.core.field_docs import field_docs
from veridical.core.plugins import get, module, names
from veridical.core.randomness import stream
from veridical.train._objectives import PACKAGE, known, lesson
from veridical.train.packing import Special, rows_of, shown, tokenised
from veridical.train.pretrain_config import PretrainConfig
from veridical.train.pretraining import PretrainRequest, asked_of, loss_of, opened, pretrain

HEADINGS = ("What is asked:", "What it is good for:", "How it errs:", "Source:")
SMALL = PretrainConfig(layers=2, width=32, heads=2, max_length=32, token_budget=256, steps=40, dtype="float32", attention="eager",
                       dropout=0.0, learning_rate=3e-3)  # fmt: skip


@pytest.fixture(params=names(PACKAGE))
def name(request) -> str:
    return str(request.param)


def request_for(name, stories, tokenizer, config=SMALL, **changes):
    from veridical.core.progress import silent

    chosen = lesson(name)
    pieces = tokenised(tokenizer, stories, by_sentence=chosen.by_sentence)
    given = {"lesson": chosen, "pieces": pieces, "tokenizer": tokenizer, "weights": None, "config": config, "seed": 0,
             "folder": None, "progress": silent, **changes}  # fmt: skip
    return PretrainRequest(**given)


def batch_of(request):
    rows = rows_of(request.pieces, request.lesson.layout(0), max_length=32, rng=stream(0, "rows"))
    return shown(rows[:16], request.pieces, request.special)


def test_its_docstring_answers_four_questions(name):
    text = module(PACKAGE, name).__doc__ or ""
    positions = [text.find(f"\n{heading} ") for heading in HEADINGS]
    assert positions == sorted(positions)
    assert min(positions) > 0


def test_every_knob_is_explained(name):
    assert all(field_docs(type(get(PACKAGE, "objective", name).params)).values())


def test_the_issues_names_are_known():
    assert {"mlm", "clm", "mlm+clm", "nsp", "mlm+nsp", "denoise"} == set(known())


@pytest.mark.parametrize("joined", known())
def test_a_model_that_knows_nothing_scores_the_log_of_the_answers(joined, stories, tokenizer):
    request = request_for(joined, stories, tokenizer)
    network, _ = opened(request)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    for turn in request.lesson.turns:
        left, asked = asked_of(batch_of(request), turn, request.special, lambda part: stream(0, part))
        for (part, wanted), loss in zip(asked, loss_of(network, left, asked), strict=True):
            answers = 2 if part.objective.head == "pair" else len(tokenizer)
            assert len(wanted) > 0
            assert torch.allclose(loss, torch.full_like(loss, float(np.log(answers))), atol=1e-5)


def test_masked_words_are_hidden_at_the_rates_of_the_paper(stories, tokenizer):
    request = request_for("mlm", stories * 30, tokenizer)
    rows = rows_of(request.pieces, "packed", max_length=32, rng=stream(0, "rows"))
    given, special = shown(rows, request.pieces, request.special), request.special
    objective = get(PACKAGE, "objective", "mlm")
    left, asked = objective.ask(given, objective.params, special, stream(7, "mask"))
    n_real, n = int((given.words >= 0).sum()), len(asked)
    assert n > 5000
    assert n / n_real == pytest.approx(0.15, abs=0.01)
    now = left.ids[asked.row, asked.column]
    masked, kept = float((now == special.mask).mean()), float((now == asked.code).mean())
    assert masked == pytest.approx(0.8, abs=0.02)
    assert kept == pytest.approx(0.1 + 0.1 / len(special.ordinary), abs=0.02)
    assert (asked.code == given.ids[asked.row, asked.column]).all()
    untouched = np.ones(given.ids.shape, bool)
    untouched[asked.row, asked.column] = False
    assert (left.ids == given.ids)[untouched].all()
    assert (given.words[asked.row, asked.column] >= 0).all(), "special tokens and padding are never asked for"


@pytest.mark.parametrize("whole", [True, False])
def test_words_are_hidden_whole_or_not(whole, stories):
    from veridical.models.tokenizer_training import TokenizerPlan, train_tokenizer

    coarse = train_tokenizer(stories, TokenizerPlan("wordpiece", 64, lowercase=True, ends=True, max_length=32))
    chosen = lesson("mlm", (f"whole_words={str(whole).lower()}",))
    request = request_for("mlm", stories, coarse, lesson=chosen)
    given = batch_of(request)
    _, questions = asked_of(given, chosen.turns[0], request.special, lambda part: stream(0, part))
    (_, asked), hidden = questions[0], np.zeros(given.ids.shape, bool)
    hidden[asked.row, asked.column] = True
    split = [
        len(set(hidden[row][given.words[row] == word])) == 2
        for row in range(len(given.ids))
        for word in range(given.words[row].max() + 1)
    ]
    assert any(split) != whole


def test_causal_answers_are_the_next_tokens_of_the_same_document(stories, tokenizer):
    request = request_for("mlm+clm", stories, tokenizer)
    given = batch_of(request)
    objective = get(PACKAGE, "objective", "clm")
    _, asked = objective.ask(given, objective.params, request.special, stream(0, "x"))
    assert (given.segment[asked.row, asked.column] == given.segment[asked.row, asked.column + 1]).all()
    assert (given.ids[asked.row, asked.column + 1] == asked.code).all()
    n_segments = sum(len(set(row[row > 0])) for row in given.segment)
    assert len(asked) == given.n_tokens - n_segments, "all but the first token of each segment"


def test_a_causal_state_sees_nothing_to_its_right(stories, tokenizer):
    request = request_for("mlm+clm", stories, tokenizer)
    network, _ = opened(request)
    network.eval()
    given = batch_of(request)
    part = next(part for part in request.lesson.parts if part.name == "clm")
    changed = given.with_ids(given.ids.copy())
    changed.ids[:, 10] = np.where(
        given.segment[:, 10] > 0, (given.ids[:, 10] + 1 - 5) % (len(tokenizer) - 5) + 5, given.ids[:, 10]
    )
    objective = part.objective
    losses = []
    for one in (given, changed):
        _, asked = objective.ask(one, part.params, request.special, stream(0, "x"))
        with torch.no_grad():
            losses.append(loss_of(network, one, [(part, asked)])[0])
    before = torch.from_numpy(asked.column < 9)
    assert torch.equal(losses[0][before], losses[1][before])
    assert not torch.equal(losses[0][~before], losses[1][~before])


def test_deleted_tokens_are_gone_and_the_whole_text_is_asked_for(stories, tokenizer):
    request = request_for("denoise", stories * 20, tokenizer)
    rows = rows_of(request.pieces, "single", max_length=32, rng=stream(0, "rows"))
    given, objective = shown(rows, request.pieces, request.special), get(PACKAGE, "objective", "denoise")
    left, asked = objective.ask(given, objective.params, request.special, stream(3, "delete"))
    long = (given.words >= 0).sum(1) >= 20  # of a short rest one token stays, whatever the share
    before, after = int((given.words[long] >= 0).sum()), int((left.words[long] >= 0).sum())
    assert before > 5000
    assert after / before == pytest.approx(0.4, abs=0.02)
    assert ((left.words >= 0).sum(1) >= 1).all()
    assert asked.written is given.ids
    assert len(asked) == given.n_tokens - len(given.ids)
    row = 5
    whole, kept = given.ids[row][given.segment[row] > 0].tolist(), left.ids[row][left.segment[row] > 0].tolist()
    places = iter(whole)
    assert all(token in places for token in kept), "what stays keeps its order"


def test_the_decoder_knows_the_text_from_the_vector_alone(stories, tokenizer):
    """Its losses change with the encoder's vector, and not with another row's."""
    request = request_for("denoise", stories, tokenizer)
    network, _ = opened(request)
    network.eval()
    given = batch_of(request)
    left, asked = asked_of(given, request.lesson.turns[0], request.special, lambda part: stream(0, part))
    other = left.with_ids(left.ids.copy())
    other.ids[0, 1] = (left.ids[0, 1] - 5 + 1) % (len(tokenizer) - 5) + 5
    with torch.no_grad():
        (a,), (b,) = loss_of(network, left, asked), loss_of(network, other, asked)
    first = torch.from_numpy(asked[0][1].row == 0)
    assert not torch.equal(a[first], b[first])
    assert torch.equal(a[~first], b[~first])


@pytest.fixture(scope="module")
def about_one_thing() -> list[str]:
    """Documents whose sentences share one word, so that it tells which passages belong together."""
    rng = random.Random(4)
    things = ("king", "fox", "tree", "river")
    return [" ".join(f"the {thing} {rng.choice(('saw', 'went', 'came'))}." for _ in range(4)) for thing in things * 30]


@pytest.mark.parametrize("joined", known())
def test_each_learns_what_it_asks(joined, about_one_thing, tokenizer):
    """The loss falls well under that of a model that knows nothing; of pairs, to under three quarters of ln 2."""
    steps = 200 if "nsp" in joined else 60
    made = pretrain(request_for(joined, about_one_thing, tokenizer, replace(SMALL, steps=steps)))
    turns = len(lesson(joined).turns)
    first, last = np.mean(made.losses[: 2 * turns]), np.mean(made.losses[-4 * turns :])
    assert np.isfinite(made.losses).all()
    assert last < 0.75 * first


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        (("share",), "write NAME=VALUE"),
        (("shar=0.2",), "Did you mean 'share'?"),
        (("share=much",), "must be a number"),
        (("share=2",), "outside 0.01..0.99"),
        (("whole_words=yes",), "true or false"),
    ],
)
def test_knobs_that_cannot_be_used_are_refused(knobs, said):
    with pytest.raises(InputError, match=said.replace("?", r"\?")):
        lesson("mlm", knobs)


def test_special_ids_are_found_in_any_tokenizer(tokenizer):
    special = Special.of(tokenizer)
    assert (special.open, special.close) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
    assert not set(special.ordinary.tolist()) & set(tokenizer.all_special_ids)
    assert len(fields(Special)) == 6
