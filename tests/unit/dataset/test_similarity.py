"""Near-duplicates against exact all-pairs truth, clusters, containment, hard texts, and the two engines."""

import itertools
import json
import random
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from veridical.core.errors import InputError
from veridical.dataset.engine import LOCAL, Engine, minhash
from veridical.dataset.rows import SCHEMA, Dataset
from veridical.dataset.similarity import SimilarityParams, SimilarPairs, clusters, is_cjk, normalise, similar_pairs

HAN = [chr(0x4E00 + 7 * i) for i in range(900)]
_letters = random.Random(1)
LATIN = ["".join(_letters.choices("abcdefghijklmnoprstuvwy", k=_letters.randint(2, 9))) for _ in range(600)]
PARAMS = SimilarityParams()


def dataset(
    texts: list[str], *, seconds: list[str] | None = None, splits: list[str] | None = None, group: list[str | None] | None = None
) -> Dataset:
    n = len(texts)
    given = {"id": [str(i) for i in range(n)], "split": splits or ["train"] * n, "text": texts, "second": seconds, "group": group}
    table = pa.table({field.name: pa.array(given.get(field.name) or [None] * n, field.type) for field in SCHEMA})
    return Dataset("classification", table, (), table.slice(0, 0))


def families(units: list[str], n_units: int, blank: str, *, n_families: int = 40, seed: int = 0) -> list[str]:
    """Original texts, each followed by copies with ever more units replaced, so that similarities spread from 0 to 1."""
    draw, texts = random.Random(seed), []
    for _ in range(n_families):
        original = draw.choices(units, k=n_units)
        for share in (0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5):
            texts.append(blank.join(draw.choice(units) if draw.random() < share else unit for unit in original))
    return texts


def naive(a: str, b: str, *, by_words: bool, n: int) -> tuple[float, int]:
    """(Jaccard, shingles of the smaller) with Python sets."""
    sides = []
    for text in (a, b):
        units = text.split(" ") if by_words else list(text)
        sides.append({tuple(units[i : i + n]) for i in range(max(len(units) - n + 1, 1))})
    return len(sides[0] & sides[1]) / len(sides[0] | sides[1]), min(map(len, sides))


def least(n_shingles: int, *, by_words: bool) -> float:
    """The threshold as its docstrings say it."""
    if by_words:
        return PARAMS.word_threshold
    way = min(max((n_shingles - PARAMS.few_shingles) / (PARAMS.enough_shingles - PARAMS.few_shingles), 0), 1)
    return PARAMS.short_threshold + way * (PARAMS.character_threshold - PARAMS.short_threshold)


CORPORA = {
    "long English": (families(LATIN, 80, " "), True, 2),
    "short English": (families(LATIN, 12, " "), False, 4),
    "Chinese": (families(HAN, 60, ""), False, 2),
    "short Chinese": (families(HAN, 16, ""), False, 2),
    "very long Chinese": (families(HAN, 3000, "", n_families=4), False, 2),
}


@pytest.mark.parametrize("name", CORPORA)
def test_every_pair_is_found_and_every_found_pair_is_one(name: str) -> None:
    texts, by_words, n = CORPORA[name]
    similar = similar_pairs(dataset(texts))
    found = {(a, b): j for a, b, j in zip(similar.left.tolist(), similar.right.tolist(), similar.jaccard.tolist(), strict=True)}
    first: dict[int, int] = {}
    for row, code in enumerate(similar.groups.tolist()):
        first.setdefault(code, row)
    truth = {}
    for a, b in itertools.combinations(sorted(first.values()), 2):
        jaccard, smaller = naive(texts[a], texts[b], by_words=by_words, n=n)
        if jaccard >= least(smaller, by_words=by_words):
            truth[a, b] = jaccard
    assert set(found) <= set(truth)
    assert all(found[pair] == pytest.approx(truth[pair]) for pair in found)
    for low, high in ((0.0, 1.0), (0.5, 0.6), (0.6, 0.75), (0.75, 1.0)):
        band = [pair for pair, jaccard in truth.items() if low <= jaccard <= high]
        assert sum(pair in found for pair in band) >= 0.99 * len(band)
    assert len(truth) > 10


def test_unrelated_texts_are_alone() -> None:
    draw = random.Random(3)
    texts = [" ".join(draw.choices(LATIN, k=k)) for k in (9, 30, 90) for _ in range(100)]
    texts += ["".join(draw.choices(HAN, k=k)) for k in (10, 40) for _ in range(100)]
    data = dataset(texts)
    assert len(set(clusters(data, similar_pairs(data)).tolist())) == len(texts)


def test_texts_shorter_than_a_shingle_are_not_alike_for_their_first_letter() -> None:
    data = dataset(["yes", "yep", "y", "好", "坏", "no", "YES!", "好。"])
    similar = similar_pairs(data)
    assert len(similar.left) == 0
    assert similar.groups[0] == similar.groups[6]
    assert similar.groups[3] == similar.groups[7]


@pytest.mark.parametrize(
    "texts",
    [
        ["same text"] * 80,
        ["one row"],
        ["", " ", "!?", "。", "a"],
        ["😀", "😀😀", "好😀", "👩‍👩‍👧‍👦 family", "\u200b", "\x00"],
        ["我们 saw the 电影 yesterday 晚上", "我们 saw the 电影 yesterday 早上", "the film 好 was very long and dull to watch"],
        ["字" * 20_000, "字" * 19_999, "word " * 9_000],
    ],
)
def test_hard_texts_do_not_stop_it(texts: list[str]) -> None:
    splits = ["train" if i % 2 else "test" for i in range(len(texts))]
    data = dataset(texts, splits=splits)
    similar = similar_pairs(data)
    found = clusters(data, similar)
    assert len(found) == len(similar.groups) == len(texts)
    for a, b in itertools.combinations(range(len(texts)), 2):
        assert (similar.groups[a] == similar.groups[b]) == (normalise(texts[a]) == normalise(texts[b]))
        assert similar.groups[a] != similar.groups[b] or found[a] == found[b]


def test_normalise_keeps_words_and_drops_dress() -> None:
    assert normalise("Ｈｅｌｌｏ,  WORLD!") == "hello world"
    assert normalise("很好！非常，好") == "很好 非常 好"
    assert normalise("!!!") == "!!!"
    assert is_cjk("这家店 the best 我们都很喜欢")
    assert not is_cjk("the restaurant called 好 was closed")


def test_a_shared_premise_alone_is_no_duplicate() -> None:
    draw = random.Random(5)
    premises = [" ".join(draw.choices(LATIN, k=10)) for _ in range(30) for _ in range(3)]
    hypotheses = [" ".join(draw.choices(LATIN, k=10)) for _ in premises]
    data = dataset([*premises, premises[0]], seconds=[*hypotheses, hypotheses[0].upper() + "."])
    similar = similar_pairs(data)
    assert len(similar.left) == 0
    assert similar.groups[-1] == similar.groups[0]


def test_a_long_chain_is_cut_but_close_copies_stay() -> None:
    n, far, near = 400, 0.5, 0.9
    left = np.arange(n - 1, dtype=np.int64)
    similar = SimilarPairs(np.arange(n, dtype=np.int64), left, left + 1, np.where(left % 2 == 0, near, far))
    data = dataset([str(i) for i in range(n)])
    assert np.bincount(clusters(data, similar)).tolist() == [2] * (n // 2)
    whole = clusters(data, similar, params=SimilarityParams(giant_share=1.0))
    assert len(set(whole.tolist())) == 1


def test_rows_of_one_group_are_together_also_in_a_large_group() -> None:
    texts = families(LATIN, 30, " ", n_families=20, seed=4)[::8] * 4
    group: list[str | None] = [None] * len(texts)
    group[0] = group[7] = "author"
    data = dataset(texts, group=group)
    found = clusters(data, similar_pairs(data))
    assert found[0] == found[7]
    assert found[1] != found[0]
    assert len(set(found.tolist())) == len(set(texts)) - 1


@pytest.mark.parametrize(("units", "blank", "sentence"), [(LATIN, " ", 14), (HAN, "", 24)])
def test_a_test_sentence_inside_a_long_train_text(units: list[str], blank: str, sentence: int) -> None:
    draw = random.Random(8)
    trains = [blank.join(draw.choices(units, k=300)) for _ in range(30)]
    inside = blank.join((trains[4].split(" ") if blank else list(trains[4]))[100 : 100 + sentence])
    outside = blank.join(draw.choices(units, k=sentence))
    boilerplate = blank.join(draw.choices(units, k=sentence))
    trains = [text + blank + boilerplate for text in trains]
    texts = [*trains, inside, outside, boilerplate]
    data = dataset(texts, splits=["train"] * 30 + ["test"] * 3)
    similar = similar_pairs(data)
    assert similar.contained.tolist() == [30]
    assert similar.container.tolist() == [4]
    assert similar.share.tolist() == [1.0]
    found = clusters(data, similar)
    assert found[30] == found[4]
    seen = similar_pairs(data, params=SimilarityParams(boilerplate_rows=30))
    assert seen.contained.tolist() == [30, 32]


def test_the_order_of_rows_does_not_change_clusters() -> None:
    texts = [
        *families(LATIN, 40, " ", n_families=15),
        *families(HAN, 20, "", n_families=15),
        *["the same few words again " + str(i) for i in range(90)],
    ]
    twice = " ".join(LATIN[:30])
    texts += [twice + " " + " ".join(LATIN[40:80]), twice + " " + " ".join(LATIN[100:150]), twice]
    splits = ["test" if i % 4 == 0 or text == twice else "train" for i, text in enumerate(texts)]
    data = dataset(texts, splits=splits)
    order = np.random.default_rng(0).permutation(len(texts))
    shuffled = data.take(order)
    before, after = clusters(data, similar_pairs(data))[order], clusters(shuffled, similar_pairs(shuffled))
    assert len(set(zip(before.tolist(), after.tolist(), strict=True))) == len(set(before.tolist())) == len(set(after.tolist()))


def test_progress_ends_at_its_total() -> None:
    said: list[tuple[str, int, int]] = []
    similar_pairs(dataset(families(LATIN, 12, " ", n_families=3)), progress=lambda *step: said.append(step))
    assert said[0][1] == 0
    assert said[-1][1] == said[-1][2] > 0


def test_one_process_keeps_one_engine() -> None:
    minhash(["a b c"], n_hashes=2, ngram=2, seed=1, engine=LOCAL)
    with pytest.raises(InputError, match="start another"):
        minhash(["a b c"], n_hashes=2, ngram=2, seed=1, engine=Engine("ray"))


SIGN_ON_RAY = """
import json, sys
from veridical.core.surroundings import opt_out_of_telemetry
opt_out_of_telemetry()
import ray
from veridical.dataset.engine import Engine, minhash
ray.init(num_cpus=1, include_dashboard=False, logging_level="ERROR", object_store_memory=100_000_000)
try:
    signed = minhash(json.load(sys.stdin), n_hashes=12, ngram=2, seed=1, engine=Engine("ray")).tolist()
finally:
    ray.shutdown()
print("SIGNED" + json.dumps(signed))
"""


def test_ray_signs_as_this_process_does() -> None:
    """Ray signs in a process of its own: Daft allows one engine in each."""
    pytest.importorskip("ray")
    texts = [*CORPORA["long English"][0][:40], *(" ".join(text) for text in CORPORA["short Chinese"][0][:40])]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SIGN_ON_RAY], input=json.dumps(texts), capture_output=True, text=True, timeout=240
    )
    signed = [line.split("SIGNED")[1] for line in done.stdout.splitlines() if "SIGNED" in line]
    assert signed, done.stderr[-2000:]
    here = minhash(texts, n_hashes=12, ngram=2, seed=1, engine=LOCAL)
    assert np.array_equal(here, np.array(json.loads(signed[0]), np.uint32))
