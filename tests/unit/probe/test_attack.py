"""Attacks on models whose weak spot is known; many rows at once against one row at a time; the order that recipes follow."""

import numpy as np
import pytest

from veridical.core.randomness import stream
from veridical.models.queries import Queries
from veridical.probe._toys import ToyModel
from veridical.probe.attack import RECIPES, Attempt, Goal, attack, attempts_of, beam, greedy
from veridical.probe.attack._recipes import FEW_EDITS, NO_STOP_WORDS, UNTARGETED, _slips
from veridical.probe.attack._searches import UNKNOWN, Asked, head_and_tail, left_out, weighted_saliency
from veridical.probe.perturbations._characters import words_at

WEIGHTS = {"great": 3.0, "fine": 1.0, "dull": -1.0, "sound": 0.4, "weak": -0.3}
TEXTS = [
    "great fine dull film",
    "a fine and sound story, not dull",
    "weak dull weak plot of a film",
    "great great great fun for all",
    "the sound of a fine evening",
    "nothing here",
    "a fine and sound story, not dull",
]


def transparent(text):
    """The sum of the weights of the words it knows, less a half: label 1 where that is above 0."""
    return 0.0, sum(WEIGHTS.get(word.strip(",.")) or 0.0 for word in str(text).split()) - 0.5


def model():
    return ToyModel(("neg", "pos"), transparent)


def labels_of(texts):
    return [int(transparent(text)[1] > 0) for text in texts]


def attempts(recipe="deepwordbug", texts=TEXTS, budget=300, labels=None):
    ids = [str(i) for i in range(len(texts))]
    return attempts_of(RECIPES[recipe], texts, labels or labels_of(texts), ids, seed=0, budget=budget)


def one_by_one(recipe, found, model_used):
    queries = Queries(model_used)
    return [attack(queries, recipe, [one])[0] for one in found], queries.counts


def test_greedy_finds_the_one_word_that_decides():
    (outcome,) = attack(Queries(model()), RECIPES["deepwordbug"], attempts(texts=TEXTS[:1]))
    assert outcome.status == "turned"
    assert [TEXTS[0][slice(*place)] for _, place in outcome.written] == ["great"]
    assert outcome.changed.split()[1:] == ["fine", "dull", "film"]
    # the original, the four words left out, and one batch of slips in `great`
    assert outcome.queries == 1 + 4 + len(_slips(TEXTS[0], (0, 5), stream(0, "attack/0")))


@pytest.mark.parametrize("recipe", ["deepwordbug", "deepwordbug_paper", "beam"])
def test_many_rows_at_once_are_as_one_row_at_a_time(recipe):
    found = attempts(recipe, budget=40)
    merged = Queries(model(), active=3)
    together = attack(merged, RECIPES[recipe], found)
    apart, counts = one_by_one(RECIPES[recipe], found, model())
    assert together == apart
    assert (merged.counts.unique, merged.counts.forwards, merged.counts.asked) == (counts.unique, counts.forwards, counts.asked)


def test_rows_are_merged_into_few_calls():
    calls = []

    class Counting(ToyModel):
        def predict(self, inputs):
            calls.append(len(inputs))
            return super().predict(inputs)

    attack(
        Queries(Counting(("neg", "pos"), transparent)),
        RECIPES["deepwordbug"],
        attempts(texts=[f"{t} w{i}" for i, t in enumerate(TEXTS)]),
    )
    merged = len(calls)
    calls.clear()
    one_by_one(
        RECIPES["deepwordbug"], attempts(texts=[f"{t} w{i}" for i, t in enumerate(TEXTS)]), Counting(("neg", "pos"), transparent)
    )
    assert merged * 2 < len(calls)


def test_queries_are_different_inputs_and_end_with_the_budget():
    asked = Asked(3)
    step = asked.ask(["a", "b", "a"])
    assert list(next(step)) == ["a", "b"]
    with pytest.raises(StopIteration) as stopped:
        step.send(np.array([[0.2, 0.8], [0.6, 0.4]]))
    assert stopped.value.value[:, 0].tolist() == [0.2, 0.6, 0.2]
    step = asked.ask(["b", "c", "d"])
    assert list(next(step)) == ["c"]
    with pytest.raises(StopIteration) as stopped:
        step.send(np.array([[0.1, 0.9]]))
    assert stopped.value.value[:, 0].tolist() == [0.6, 0.1]
    assert asked.n == 3
    for budget in (1, 2, 5, 9):
        for outcome in attack(Queries(model()), RECIPES["deepwordbug"], attempts(budget=budget)):
            assert outcome.queries <= budget


def test_what_was_found_within_a_smaller_budget_is_found_again_under_it():
    full = attack(Queries(model()), RECIPES["deepwordbug"], attempts())
    for budget in (6, 12, 20):
        cut = attack(Queries(model()), RECIPES["deepwordbug"], attempts(budget=budget))
        for whole, short in zip(full, cut, strict=True):
            if whole.status == "turned" and whole.queries <= budget:
                assert short == whole


def test_wrong_answers_are_not_attacked():
    found = attempts(texts=TEXTS[:1], labels=[0])
    (outcome,) = attack(Queries(model()), RECIPES["deepwordbug"], found)
    assert (outcome.status, outcome.queries, outcome.written) == ("wrong", 1, {})


def test_beam_finds_a_pair_that_only_turns_together():
    """`roses` and `ends` must go; neither alone brings the answer nearer to the goal."""

    def pair(text):
        gone = [word not in str(text).split() for word in ("roses", "ends")]
        return 0.0, -3.0 if all(gone) else 2.0

    text, used = "roses near ends meet", ToyModel(("neg", "pos"), pair)
    found = attempts(texts=[text], labels=[1])
    assert attack(Queries(used), RECIPES["deepwordbug"], found)[0].status == "held"
    (outcome,) = attack(Queries(used), RECIPES["beam"], attempts("beam", texts=[text], labels=[1]))
    assert outcome.status == "turned"
    assert {text[slice(*place)] for _, place in outcome.written} == {"roses", "ends"}


def _order(ranking, text, options, label=1, used=None):
    attempt = Attempt(text, label, UNTARGETED, options)
    queries = Queries(used or model())

    def ranked():
        asked = Asked(300)
        first = yield from asked.ask([text])
        return (yield from ranking(attempt, asked, first[0]))

    (order,) = queries.run([ranked()])
    return [(text[slice(*place)], list(words)) for (_, place), words in order], queries.counts.unique


def _options(text, **written):
    return {(0, place): written.get(text[slice(*place)], ["x"]) for place in words_at(text)}


def test_words_are_ranked_by_what_their_absence_does():
    text = "dull great fine film"
    order, asked = _order(left_out(UNKNOWN), text, _options(text))
    assert [word for word, _ in order] == ["great", "fine", "film", "dull"]
    assert asked == 5
    assert [word for word, _ in _order(left_out(""), text, _options(text))[0]] == ["great", "fine", "film", "dull"]


def test_head_and_tail_add_up_what_a_word_adds_on_both_sides():
    text = "dull great fine film"
    order, _ = _order(head_and_tail, text, _options(text))
    p = lambda words: 1 / (1 + np.exp(-transparent(words)[1]))  # noqa: E731
    words = text.split()
    scores = {
        word: p(" ".join(words[: i + 1])) - p(" ".join(words[:i])) + p(" ".join(words[i:])) - p(" ".join(words[i + 1 :]))
        for i, word in enumerate(words)
    }
    assert [word for word, _ in order] == sorted(words, key=lambda word: -scores[word])


def test_weighted_saliency_multiplies_softmax_of_saliency_and_best_gain():
    text = "great fine film"
    order, _ = _order(weighted_saliency, text, _options(text, great=["fine", "sound"], fine=["weak"], film=["movie"]))
    p = lambda words: 1 / (1 + np.exp(-transparent(words)[1]))  # noqa: E731
    saliency = np.array([p(text) - p(text.replace(word, UNKNOWN)) for word in text.split()])
    gain = np.array([p(text) - p("sound fine film"), p(text) - p("great weak film"), 0.0])
    weighted = np.exp(saliency) / np.exp(saliency).sum() * gain
    assert [word for word, _ in order] == [text.split()[i] for i in np.argsort(-weighted, kind="stable")]
    assert dict(order) == {"great": ["sound"], "fine": ["weak"], "film": ["movie"]}


def test_pwws_puts_in_each_best_synonym_in_turn():
    def count(text):
        return 0.0, 2.5 - sum(word in str(text) for word in ("喜爱", "十分", "整洁", "实惠"))

    texts = ["我喜欢这里，非常干净便宜的房间"]
    used = ToyModel(("neg", "pos"), count)
    found = attempts("pwws", texts=texts, labels=[1])
    (outcome,) = attack(Queries(used), RECIPES["pwws"], found)
    assert outcome.status == "turned"
    assert len(outcome.written) >= 3


def test_stop_words_and_far_changes_are_refused():
    text = "The film isn't good"
    assert [text[slice(*p)] for p in words_at(text) if NO_STOP_WORDS.before(text, p)] == ["film", "good"]
    assert FEW_EDITS.after("a" * 40, "a" * 10)
    assert not FEW_EDITS.after("a" * 41, "a" * 10)
    assert not FEW_EDITS.after(("a" * 20, "b" * 20), ("", "b" * 9))


def test_slips_are_one_edit_away_and_are_drawn_from_the_row_s_own_stream():
    for seed in range(20):
        for one in _slips("wonderful", (0, 9), np.random.default_rng(seed)):
            assert one != "wonderful"
            assert abs(len(one) - 9) <= 1
    first = attempts(texts=TEXTS)
    again = attempts(texts=TEXTS)
    assert [one.options for one in first] == [one.options for one in again]
    assert first[1].options != first[6].options  # the same text, another row


def test_pairs_are_attacked_in_both_texts():
    used = ToyModel(("neg", "pos"), lambda pair: transparent(" ".join(pair)))
    text = ("a film", "great fun")
    (outcome,) = attack(Queries(used), RECIPES["deepwordbug"], attempts(texts=[text], labels=[1]))
    assert outcome.status == "turned"
    assert outcome.changed[0] == "a film"
    assert outcome.changed[1] != "great fun"


def test_another_goal_and_search_make_another_attack():
    sure = Goal(lambda p, label: -p[:, label], lambda p, label: p[:, label] < 0.4)
    found = [Attempt(one.text, one.label, sure, one.options, budget=100) for one in attempts(texts=TEXTS[3:4])]
    queries = Queries(model())
    assert queries.run([greedy(left_out(""))(found[0])])[0].status == "turned"
    assert queries.run([beam(2, depth=1)(found[0])])[0].status == "held"
