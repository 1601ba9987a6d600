"""A model that a real HTTP server serves: what it answers, what is tried again, and what ends in one sentence."""

import threading
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from itertools import chain, cycle, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.endpoint_server import Reply, honest, serving

from veridical.core.errors import InputError, SurroundingsError
from veridical.models.calls import Calls
from veridical.models.endpoint import IN_FLIGHT, EndpointModel, Tokens
from veridical.models.external import AskedTwice
from veridical.models.kept_answers import KeptAnswers
from veridical.models.queries import Queries, Search

LABELS = ("no", "yes")
TEXTS = [f"{'good' if k % 3 else 'bad'} soup number {k}" for k in range(50)]
pytestmark = pytest.mark.loopback


class FakeClock:
    """Waiting takes no time: it moves the clock."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.waits: list[float] = []
        self._lock = threading.Lock()

    def now(self) -> float:
        with self._lock:
            return self.time

    def wait_until(self, moment: float, stop: threading.Event) -> None:
        with self._lock:
            if moment > self.time:
                self.waits.append(moment - self.time)
                self.time = moment


def model(address: str, *, clock: FakeClock | None = None, labels: tuple[str, ...] = LABELS, **calls: Any) -> EndpointModel:
    return EndpointModel(address, labels=labels, calls=Calls(**{"timeout": 5.0, **calls}), clock=clock or FakeClock())


def in_turn(replies: Iterable[Reply | None]) -> Callable[[list[Any]], Reply]:
    """The replies one after another; None stands for the honest one."""
    waiting, lock = iter(replies), threading.Lock()

    def answer(texts: list[Any]) -> Reply:
        with lock:
            reply = next(waiting)
        return reply or honest(texts)

    return answer


def test_probabilities_come_back_in_the_order_of_the_texts_each_asked_once() -> None:
    with serving() as served:
        found = model(served.address, texts_per_request=7).predict([*TEXTS, *TEXTS[:10]])
    expected = [[0.25, 0.75] if "good" in text else [0.75, 0.25] for text in [*TEXTS, *TEXTS[:10]]]
    np.testing.assert_array_equal(found, expected)
    assert sorted(text for asked in served.asked for text in asked.texts) == sorted(TEXTS)
    assert len(served.asked) == 8
    assert {asked.path for asked in served.asked} == {"/predict"}


def test_pairs_travel_as_lists_and_any_character_survives() -> None:
    pairs = [("good \u2028 “日本”", "second \ud800 \x00"), ("a", "b")]
    with serving(lambda texts: Reply([{"yes": 1.0} if "good" in text[0] else {"no": 1} for text in texts])) as served:
        np.testing.assert_array_equal(model(served.address).predict(pairs), [[0, 1], [1, 0]])
    assert served.asked[0].texts == [list(pair) for pair in pairs]


def test_nothing_is_asked_for_no_texts() -> None:
    with serving() as served:
        assert model(served.address).predict([]).shape == (0, 2)
        assert not served.asked


def test_several_requests_are_under_way_at_a_time() -> None:
    together = threading.Barrier(IN_FLIGHT, timeout=10)

    def answer(texts: list[Any]) -> Reply:
        together.wait()
        return honest(texts)

    with serving(answer) as served:
        model(served.address, texts_per_request=1, timeout=20.0).predict(TEXTS[: 2 * IN_FLIGHT])
        assert len(served.asked) == 2 * IN_FLIGHT


def test_what_passes_is_tried_again_with_growing_waits() -> None:
    clock = FakeClock()
    with serving(in_turn(chain([Reply("busy", 500), Reply("busy", 503)], repeat(None)))) as served:
        found = model(served.address, clock=clock).predict(["good"])
    np.testing.assert_array_equal(found, [[0.25, 0.75]])
    assert len(served.asked) == 3
    first, second = clock.waits
    assert 0.25 <= first <= 0.5
    assert 0.5 <= second <= 1.0


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_by_all_requests(status: int) -> None:
    clock = FakeClock()
    with serving(in_turn(chain([Reply("slow down", status, {"Retry-After": "17"})], repeat(None)))) as served:
        model(served.address, clock=clock, texts_per_request=1).predict(["good"])
    assert sum(clock.waits) == 17
    assert len(served.asked) == 2


def test_retry_after_may_be_a_date() -> None:
    clock = FakeClock()
    later = formatdate(time.time() + 100, usegmt=True)
    with serving(in_turn(chain([Reply("", 429, {"Retry-After": later})], repeat(None)))) as served:
        model(served.address, clock=clock).predict(["good"])
    assert 80 < sum(clock.waits) <= 100


def test_who_asks_to_wait_too_long_is_given_up_at_once() -> None:
    hour = Reply("", 429, {"Retry-After": "3600"})
    with serving(lambda texts: hour) as served:
        with pytest.raises(SurroundingsError, match=r"429 in 1 try\. It asks to wait 3600 seconds\. The same command goes on"):
            model(served.address).predict(["good"])
        assert len(served.asked) == 1


def test_a_slow_server_times_out_as_often_as_asked() -> None:
    release = threading.Event()

    def answer(texts: list[Any]) -> Reply:
        release.wait(10)
        return honest(texts)

    with serving(answer) as served:
        with pytest.raises(SurroundingsError) as caught:
            model(served.address, timeout=0.1, retries=2).predict(["good"])
        release.set()
    said = f"{served.address} gave no answer within 0.1 s in 3 tries. Raise --timeout, or lower --texts-per-request."
    assert str(caught.value).startswith(said)
    assert caught.value.exit_code == 3


def test_a_server_that_is_not_there() -> None:
    with serving() as served:
        pass
    with pytest.raises(SurroundingsError, match=r"cannot be reached \(Connection refused\) in 2 tries\. Check the address"):
        model(served.address, retries=1).predict(["good"])


def test_an_answer_that_breaks_off_is_tried_again() -> None:
    with serving(in_turn(chain([Reply("[{", announced=500)], repeat(None)))) as served:
        np.testing.assert_array_equal(model(served.address).predict(["bad"]), [[0.75, 0.25]])
    with (
        serving(lambda texts: Reply("[{", announced=500)) as served,
        pytest.raises(SurroundingsError, match=r"broke off its answer \(IncompleteRead\) in 1 try"),
    ):
        model(served.address, retries=0).predict(["bad"])


def test_http_500_shows_the_first_characters_on_one_line() -> None:
    body = "Traceback\n  \x1b[31mboom\u202e " + "x" * 1000
    with serving(lambda texts: Reply(body, 500)) as served, pytest.raises(SurroundingsError) as caught:
        model(served.address, retries=1).predict(["good"])
    said = str(caught.value)
    assert r"answered HTTP 500 and 'Traceback \x1b[31mboom\u202e xxx" in said
    assert "in 2 tries. Look at the log of the server." in said
    assert len(said) < 400
    assert said.isprintable()


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply("not found", 404), r"answered HTTP 404 and 'not found'\. Check the path"),
        (Reply("", 401), r"answered HTTP 401\. Check --model-header"),
        (Reply("", 413), "Lower --texts-per-request"),
        (Reply("", 422), "It must take POST"),
        (Reply("", 499), "It must take POST"),
        (Reply("<html>hello"), "answered '<html>hello', which is not JSON"),
        (Reply(b"\xff\xfe\xfd"), "which is not JSON"),
        (Reply("[" * 200_000), "which is not JSON"),
        (Reply(""), "answered '', which is not JSON"),
        (Reply([{"yes": 1.0}]), "got 2 texts and gave 1 answer;"),
        (Reply({"predictions": []}), "got 2 texts and gave a JSON dict;"),
        (Reply([{"yes": float("nan"), "no": 0.5}] * 2), "gives nan for label 'yes'"),
        (Reply([{"yes": float("inf")}] * 2), "gives inf for label 'yes'"),
        (Reply("[" + ",".join(['{"yes": 1' + "0" * 400 + "}"] * 2) + "]"), r"gives 10{79}\.\.\. for label 'yes'"),
        (Reply([{"yes": "1.0"}] * 2), "gives '1.0' for label 'yes'"),
        (Reply([{"yes": True}] * 2), "gives True for label 'yes'"),
        (
            Reply([{"maybe\x1b" + "y" * 500: 1.0}] * 2),
            r"the label 'maybe\\x1by{70}\.\.\., which the data do not have",
        ),
        (Reply([{"yes": 0.6}] * 2), "sum to 0.600"),
        (Reply([[0.5, 0.5]] * 2), "gives list where label: probability pairs are needed"),
        (Reply([{}] * 2), "label: probability pairs"),
    ],
)
def test_answers_that_cannot_be_used_end_at_once(reply: Reply, said: str) -> None:
    with serving(lambda texts: reply) as served:
        with pytest.raises(InputError, match=said) as caught:
            model(served.address).predict(["a", "b"])
        assert len(served.asked) == 1
    assert caught.value.exit_code == 2
    assert served.address in str(caught.value)
    assert str(caught.value).isprintable()


def test_redirects_stay_on_the_host() -> None:
    with serving() as other:
        elsewhere = Reply("", 307, {"Location": other.address})
        with serving(lambda texts: elsewhere) as served, pytest.raises(InputError, match="redirects to another host"):
            model(served.address).predict(["good"])
        assert not other.asked
    here = Reply("", 307, {"Location": "/predict/"})
    with serving(in_turn(chain([here], repeat(None)))) as served:
        np.testing.assert_array_equal(model(served.address).predict(["good"]), [[0.25, 0.75]])
    assert [asked.path for asked in served.asked] == ["/predict", "/predict/"]
    assert served.asked[1].texts == ["good"]


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://[", "https://127.0.0.1/", "/predict"])
def test_redirects_that_lead_nowhere(location: str) -> None:
    with (
        serving(lambda texts: Reply("", 302, {"Location": location})) as served,
        pytest.raises(InputError, match=r"redirect|302"),
    ):
        model(served.address).predict(["good"])


def test_headers_come_from_the_environment_and_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERIDICAL_HEADER_AUTHORIZATION", "Bearer s3cret-token")
    monkeypatch.setenv("VERIDICAL_HEADER_X_API_KEY", "abcdef")
    repeats = Reply("you sent Bearer s3cret-token, that is s3cret-token, and abcdef", 500)
    with serving(in_turn(chain([None], repeat(repeats)))) as served:
        asked = model(served.address, headers=("Authorization", "X-Api-Key"), retries=0)
        asked.predict(["good"])
        assert served.asked[0].headers["Authorization"] == "Bearer s3cret-token"
        assert served.asked[0].headers["X-Api-Key"] == "abcdef"
        with pytest.raises(SurroundingsError) as caught:
            asked.predict(["bad"])
    assert "you sent ***, that is ***, and ***" in str(caught.value)
    assert "s3cret" not in str(caught.value) + repr(asked.calls) + repr(vars(asked))


@pytest.mark.parametrize("per_second", [0.5, 10.0])
def test_the_rate_is_kept_by_all_threads_together(per_second: float) -> None:
    clock = FakeClock()
    tokens, n = Tokens(per_second, clock), 40
    taken: list[float] = []
    lock = threading.Lock()

    def work() -> None:
        for _ in range(n // 4):
            tokens.take(threading.Event())
            with lock:
                taken.append(clock.now())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now() - 1000 == pytest.approx((n - 1) / per_second)


def test_the_rate_holds_for_retries_and_for_the_whole_prediction() -> None:
    clock = FakeClock()
    with serving(in_turn(cycle([Reply("", 429, {"Retry-After": "0"}), None]))) as served:
        model(served.address, clock=clock, requests_per_second=4.0, texts_per_request=5, retries=20).predict(TEXTS)
    assert len(served.asked) == 20
    assert clock.now() - 1000 == pytest.approx(19 / 4, rel=0.01)


def test_many_searches_reach_the_endpoint_in_full_requests_within_the_rate_and_with_retries() -> None:
    def search(number: int) -> Search[float]:
        answers = yield [f"{word} {number}" for word in ("good", "bad", "soup")]
        again = yield [f"good {number}", f"good again {number}"]
        return float(answers[0, 1] + again[1, 1])

    clock, replies = FakeClock(), in_turn(chain([Reply("busy", 503)], repeat(None)))
    with serving(replies) as served:
        asked = Queries(model(served.address, clock=clock, texts_per_request=20, requests_per_second=10))
        assert asked.run(search(number) for number in range(40)) == [1.5] * 40
    assert (asked.counts.asked, asked.counts.unique, asked.counts.forwards) == (200, 160, 160)
    assert sorted(len(request.texts) for request in served.asked) == [20] * 9  # 120 texts, 40 more, and one request twice
    assert clock.time - 1000.0 >= 0.8 - 1e-9


def test_no_rate_means_no_waiting() -> None:
    clock = FakeClock()
    with serving() as served:
        model(served.address, clock=clock, texts_per_request=5).predict(TEXTS)
    assert clock.waits == []


def test_answers_that_came_before_the_server_died_are_not_asked_for_again(tmp_path: Path) -> None:
    dead = Reply("out of memory", 500)
    keep = tmp_path / "checkpoint" / "answers.jsonl"
    with serving(in_turn(chain(repeat(None, 6), repeat(dead)))) as served, pytest.raises(SurroundingsError, match="500"):
        model(served.address, texts_per_request=5, retries=1).predict(TEXTS, keep=keep)
    before = len(keep.read_text(encoding="ascii").splitlines())
    assert before >= 5 * (6 - IN_FLIGHT)
    assert "soup" not in keep.read_text(encoding="ascii")
    with keep.open("a", encoding="ascii") as lines:
        lines.write('{"input": "cut o')  # killed while writing
    with serving() as served:
        found = model(served.address, texts_per_request=5).predict(TEXTS, keep=keep)
        assert sum(len(asked.texts) for asked in served.asked) == len(TEXTS) - before
        again = model(served.address, texts_per_request=5).predict(TEXTS, keep=keep)
        assert sum(len(asked.texts) for asked in served.asked) == len(TEXTS) - before
        whole = model(served.address).predict(TEXTS)
    np.testing.assert_array_equal(found, whole)
    np.testing.assert_array_equal(again, whole)


def test_kept_answers_of_another_kind_are_skipped(tmp_path: Path) -> None:
    lines = [
        "[]",
        "7",
        '{"input": 3, "answer": [0.5, 0.5]}',
        '{"input": "x", "answer": [1.0]}',
        '{"input": "x", "answer": ["a", "b"]}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="ascii")
    kept = KeptAnswers(tmp_path / "a.jsonl", n_classes=2)
    kept.add([("a", "b"), "c"], [[0.1, 0.9], [1 / 3, 2 / 3]])
    back = KeptAnswers(tmp_path / "a.jsonl", n_classes=2)
    assert back.get(("a", "b")) == [0.1, 0.9]
    assert back.get("c") == [1 / 3, 2 / 3]
    assert back.get("x") is None


def test_ctrl_c_stops_at_once_and_sends_nothing_more() -> None:
    def progress(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with serving() as served:
        stopped = EndpointModel(
            served.address, labels=LABELS, calls=Calls(texts_per_request=1, requests_per_second=0.5), progress=progress
        )
        with pytest.raises(KeyboardInterrupt):
            stopped.predict(TEXTS)
        for thread in threading.enumerate():
            if thread.name == "veridical-endpoint":
                thread.join(5)
                assert not thread.is_alive()
        assert len(served.asked) <= 1 + IN_FLIGHT


def test_progress_says_how_many_texts_are_answered() -> None:
    said: list[tuple[str, int, int]] = []

    def progress(stage: str, done: int, total: int) -> None:
        said.append((stage, done, total))

    with serving() as served:
        EndpointModel(served.address, labels=LABELS, calls=Calls(texts_per_request=20), progress=progress).predict(TEXTS)
    assert said[-1] == ("ask the endpoint", 50, 50)
    assert len(said) == 3


def test_the_share_of_changed_answers_is_counted() -> None:
    calls = iter(range(100))

    def fickle(texts: list[Any]) -> Reply:
        second = next(calls) >= 2  # 64 texts are two requests
        return Reply([{"yes": 1.0} if second and text.endswith("7") else {"no": 1.0} for text in texts])

    texts = [f"text {k}" for k in range(100)]
    with serving(fickle) as served:
        assert model(served.address).asked_twice(texts) == AskedTwice(64, 6)  # 7, 17, ... 57
    with serving() as served:
        assert model(served.address).asked_twice(texts) == AskedTwice(64, 0)


def test_an_endpoint_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to save"):
        model("http://127.0.0.1:1/").save(tmp_path)
