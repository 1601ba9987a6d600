"""The query engine: every different input once, many searches merged, counts that are true, a clean stop."""

from contextlib import contextmanager

import numpy as np
import pytest

from veridical.core.errors import InputError
from veridical.models.queries import Queries


class Counting:
    """Probability of `b` = share of letters b; remembers what it was asked."""

    kind = "toy"
    labels = ("a", "b")

    def __init__(self):
        self.calls = []

    def predict(self, inputs):
        self.calls.append(list(inputs))
        share = np.array([text.count("b") / max(len(text), 1) for text in inputs])
        return np.stack([1 - share, share], axis=1)


def test_each_input_is_computed_once_and_answers_keep_their_order():
    queries = Queries(model := Counting())
    first = queries.ask(["ab", "bb", "ab"])
    assert first[:, 1].tolist() == [0.5, 1.0, 0.5]
    assert queries.ask(["bb", "aa"])[:, 1].tolist() == [1.0, 0.0]
    assert model.calls == [["ab", "bb"], ["aa"]]
    counts = queries.counts
    assert (counts.asked, counts.unique, counts.forwards) == (5, 3, 3)


def climb(text):
    """Greedy: turn letters into b one by one while that raises the share; the number of questions it saw answered."""
    seen = 0
    for place in range(len(text)):
        answers = yield [text[:place] + "b" + text[place + 1 :], text]
        seen += len(answers)
        if answers[0, 1] > answers[1, 1]:
            text = text[:place] + "b" + text[place + 1 :]
    return text, seen


def test_searches_are_merged_into_one_question_a_round():
    queries = Queries(model := Counting())
    texts = ["aaa", "aba", "bbb", "aaa"]
    results = queries.run(climb(text) for text in texts)
    assert results == [("bbb", 6)] * 4
    assert len(model.calls) <= 3
    alone = [Queries(Counting()).run([climb(text)])[0] for text in texts]
    assert results == alone


def test_a_window_smaller_than_the_searches_gives_the_same_results():
    texts = ["ab" * (1 + i % 3) for i in range(20)]
    assert Queries(Counting(), active=3).run(climb(t) for t in texts) == Queries(Counting()).run(climb(t) for t in texts)


def test_a_search_that_asks_nothing_or_ends_at_once_is_no_trouble():
    def silent_search():
        return "done"
        yield []

    def empty_question():
        answers = yield []
        return answers.shape

    assert Queries(Counting()).run([silent_search(), empty_question()]) == ["done", (0, 2)]


def test_an_interruption_closes_every_search():
    closed = []

    def search(name):
        try:
            while True:
                yield [name]
        finally:
            closed.append(name)

    class Interrupted(Counting):
        def predict(self, inputs):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Queries(Interrupted()).run([search("x"), search("y")])
    assert sorted(closed) == ["x", "y"]


@pytest.mark.parametrize(
    ("answer", "says"), [(np.full((1, 2), np.nan), "NaN"), (np.ones((1, 3)), "shape"), (np.ones((2, 2)), "shape")]
)
def test_answers_that_are_none_are_refused(answer, says):
    class Broken(Counting):
        def predict(self, inputs):
            return answer

    with pytest.raises(InputError, match=says):
        Queries(Broken()).ask(["one"])


def test_a_model_that_changes_its_mind_is_measured():
    class Fickle(Counting):
        def predict(self, inputs):
            self.calls.append(list(inputs))
            share = np.array([0.5 if text.startswith("a") else float(len(self.calls) % 2) for text in inputs])
            return np.stack([1 - share, share], axis=1)

    queries = Queries(Fickle())
    assert queries.repeatability(["ax", "ay", "bx", "cy"]) == 0.5
    assert queries.counts.changed == 0.5
    assert Queries(Counting()).repeatability(["ab", "bb"]) == 0.0


def test_the_cache_forgets_the_longest_unused(monkeypatch):
    monkeypatch.setattr("veridical.models.queries.CACHED_CELLS", 4)
    queries = Queries(model := Counting())
    queries.ask(["a", "b"])
    queries.ask(["a"])
    queries.ask(["ab"])
    queries.ask(["a"])
    queries.ask(["b"])
    assert model.calls == [["a", "b"], ["ab"], ["b"]]


def test_a_search_reports_itself_and_not_every_question():
    said = []
    queries = Queries(Counting(), progress=lambda *what: said.append(what))
    queries.run((climb(text) for text in ("aaa", "ab")), stage="attack", total=2)
    assert {stage for stage, _, _ in said} == {"attack"}
    assert said[-1] == ("attack", 2, 2)
    queries.ask(["new"])
    assert said[-1] == ("ask", 0, 1)


def test_a_model_that_can_be_held_ready_is_held_for_the_whole_run():
    class Ready(Counting):
        opened = 0

        @contextmanager
        def reading(self):
            self.opened += 1
            try:
                yield
            finally:
                self.opened -= 1

        def predict(self, inputs):
            assert self.opened == 1
            return super().predict(inputs)

    model = Ready()
    assert Queries(model).run(climb(text) for text in ("aaa", "ab")) == [("bbb", 6), ("bb", 4)]
    assert model.opened == 0
