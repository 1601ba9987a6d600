"""The same recipe in TextAttack and here: same model, same texts, same candidates. Do both go the same way, and how fast?

TextAttack is no dependency; it stands in an environment of its own, without what these recipes do not use (flair among others):

    python -m venv /tmp/ta
    /tmp/ta/bin/pip install -c constraints.txt -e '.[neural,offline]'
    /tmp/ta/bin/pip install --no-deps textattack==0.3.11 nltk lru-dict editdistance
    /tmp/ta/bin/python -m benchmarks.speed.attack_side_by_side [--recipes deepwordbug,pwws] [--rows 200] [--encoder-rows 50]
        [--data FOLDER] [--out FILE.json] [--vectors FILE.json]

Nothing is downloaded: packages that TextAttack imports and these recipes do not call are placeholders, and its check for NLTK's
data is told that it has been done. TextAttack runs its own attack loop, search, goal, cache and constraints; the candidates of
each word are given to both sides, since its own are random (deepwordbug) or come from NLTK's WordNet (pwws; here they are other
words of the corpus). Its `model_batch_size` is left at 32.

Compared for each row: the order in which words are tried, how the attack ends, the changed text, and how many inputs the model
was given. Two words whose scores are equal may stand in either order there (numpy's unstable sort), so orders are also compared
by their scores. --vectors writes what TextAttack found for made-up texts and a made-up model: tests/unit/probe/textattack.json.
"""

import argparse
import importlib.abc
import importlib.machinery
import importlib.metadata
import json
import os
import sys
import tempfile
import time
import types
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, ClassVar

import numpy as np
from benchmarks.machine import machine
from benchmarks.speed.queries import ONE_EPOCH, TRAIN_ROWS, rows_of

from veridical.audit._made_up import nonsense
from veridical.core.randomness import stream
from veridical.dataset.rows import Text
from veridical.models.model import FloatArray, Model
from veridical.models.queries import Queries
from veridical.probe._toys import ToyModel
from veridical.probe.attack import RECIPES, Attempt, Outcome, attack
from veridical.probe.attack._recipes import FEW_EDITS, NO_STOP_WORDS, UNTARGETED, _slips
from veridical.probe.attack._searches import UNKNOWN, Asked, Order, left_out, saliency_order
from veridical.train.training import train

OUT = Path(__file__).parents[1] / "results" / "attack_side_by_side.json"
NOT_CALLED = (
    "OpenHowNet", "Levenshtein", "bert_score", "datasets", "flair", "langdetect", "language_tool_python", "lemminflect",
    "more_itertools", "num2words", "pandas", "pinyin", "terminaltables", "word2number",
)  # fmt: skip
"""What `import textattack` imports and these two recipes never call."""
OURS = {"deepwordbug": "deepwordbug", "pwws": "pwws_asking_again"}
"""Our recipe for each of theirs."""
RANKED = {"deepwordbug": left_out(UNKNOWN), "pwws": saliency_order}
SUBSTITUTES = 4
"""Candidates of a word for pwws."""
NO_LIMIT = 10**6
VECTORS = 25
"""Made-up texts whose outcomes are written down for tests."""


class _Placeholder(types.ModuleType):
    """A module any name of which is an empty class."""

    __path__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        inside = sys.modules.get(f"{self.__name__}.{name}")
        return inside or type(name, (), {})


class _Placeholders(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands in for the packages of NOT_CALLED that are not installed."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name.split(".")[0] in NOT_CALLED:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> types.ModuleType:
        return _Placeholder(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing is in it."""


def import_textattack() -> Any:
    """TextAttack without a download. Raises SystemExit with the install lines where it is not there."""
    folder = Path(tempfile.mkdtemp(prefix="textattack-"))
    (folder / "post_install_check_3").touch()  # what its own check for NLTK's data leaves behind
    words = folder / "nltk" / "corpora" / "stopwords"
    words.mkdir(parents=True)
    (words / "english").write_text("the\n", encoding="utf-8")  # read when it is imported; not used by the attacks below
    os.environ.update(TA_CACHE_DIR=str(folder), NLTK_DATA=str(folder / "nltk"), HF_HUB_OFFLINE="1")
    sys.meta_path.append(_Placeholders())
    try:
        import flair.data
        import flair.models  # noqa: F401 - modules under a placeholder must be there before they are looked up
        import textattack
    except ImportError as error:
        raise SystemExit(f"TextAttack cannot be imported ({error}). The head of this file says how to install it.") from error
    return textattack


@dataclass
class Counted:
    """A model that counts what it is given. texts: inputs; calls: lists of inputs."""

    model: Model
    texts: int = 0
    calls: int = 0

    def predict(self, inputs: Sequence[Text]) -> FloatArray:
        self.texts, self.calls = self.texts + len(inputs), self.calls + 1
        return self.model.predict(inputs)


@dataclass
class Row:
    """One text under attack. spots: characters of each of TextAttack's words, by its number. offered: candidates by word."""

    text: str
    label: int
    spots: dict[int, tuple[int, int]]
    offered: dict[int, list[str]]

    def attempt(self, recipe: str) -> Attempt:
        constraints = (FEW_EDITS,) if recipe == "deepwordbug" else ()
        options = {(0, self.spots[number]): words for number, words in self.offered.items()}
        return Attempt(self.text, self.label, UNTARGETED, options, constraints, NO_LIMIT)


@dataclass
class Theirs:
    """What TextAttack found for one row. order: numbers of words as they were to be tried. seen: inputs the model was given."""

    status: str
    changed: str
    order: list[int]
    seen: int


def rows_under_attack(textattack: Any, texts: Sequence[Text], codes: Sequence[int], *, recipe: str, seed: int) -> list[Row]:
    """Every text with the words that TextAttack sees in it and the candidates of those that are no stop words."""
    words = [textattack.shared.AttackedText(text).words for text in texts]
    pool = sorted({word for own in words for word in own if word.isalpha()})
    found = []
    for number, (text, own, code) in enumerate(zip(texts, words, codes, strict=True)):
        assert isinstance(text, str)
        rng, spots, offered, at = stream(seed, f"side by side/{number}"), {}, {}, 0
        for index, word in enumerate(own):
            start = text.index(word, at)
            at = start + len(word)
            if not NO_STOP_WORDS.before(text, (start, at)):
                continue
            if recipe == "deepwordbug":
                candidates = _slips(text, (start, at), rng)
            else:
                candidates = [pool[i] for i in rng.choice(len(pool), SUBSTITUTES, replace=False) if pool[i] != word]
            if candidates:
                spots[index] = (start, at)
                offered[index] = sorted(candidates, key=lambda one: text[:start] + one + text[at:])
        found.append(Row(text, int(code), spots, offered))
    return found


def their_attack(textattack: Any, recipe: str, counted: Counted) -> tuple[Any, Any, list[list[int]]]:
    """TextAttack's recipe with its own parts, but for the candidates, which `offer` sets for each row; and its orders."""
    from textattack.constraints import PreTransformationConstraint
    from textattack.transformations import WordSwap

    offered: dict[int, list[str]] = {}

    class Offered(WordSwap):
        def _get_transformations(self, current: Any, indices: Any) -> list[Any]:
            return [current.replace_word_at_index(i, word) for i in indices for word in offered.get(i, ())]

    class OnlyOffered(PreTransformationConstraint):
        def _get_modifiable_indices(self, current: Any) -> set[int]:
            return set(offered)

        def check_compatibility(self, transformation: Any) -> bool:
            return True

    class Wrapper(textattack.models.wrappers.ModelWrapper):
        model = counted

        def __call__(self, texts: list[str]) -> FloatArray:
            return counted.predict(texts)

    kind = {"deepwordbug": "DeepWordBugGao2018", "pwws": "PWWSRen2019"}[recipe]
    built = _built(textattack, kind, Wrapper())
    constraints = [one for one in built.constraints if type(one).__name__ == "LevenshteinEditDistance"]
    kept = [one for one in built.pre_transformation_constraints if type(one).__name__ == "RepeatModification"]
    made = textattack.Attack(built.goal_function, [*kept, OnlyOffered(), *constraints], Offered(), built.search_method)
    orders: list[list[int]] = []
    plain = made.search_method._get_index_order

    def watched(*arguments: Any, **named: Any) -> Any:
        order, over = plain(*arguments, **named)
        orders.append([int(i) for i in order])
        return order, over

    made.search_method._get_index_order = watched

    def offer(row: Row) -> None:
        offered.clear()
        offered.update(row.offered)

    return made, offer, orders


def _built(textattack: Any, kind: str, wrapper: Any) -> Any:
    """The recipe; the two parts of pwws that need NLTK's WordNet are made without it."""
    recipes = textattack.attack_recipes
    if kind == "PWWSRen2019":
        module = sys.modules[recipes.PWWSRen2019.__module__]
        module.WordSwapWordNet = textattack.transformations.WordSwapRandomCharacterDeletion  # replaced by the offered words
    return getattr(recipes, kind).build(wrapper)


def by_textattack(textattack: Any, recipe: str, model: Model, rows: list[Row]) -> tuple[list[Theirs], Counted, float, float]:
    counted = Counted(model)
    made, offer, orders = their_attack(textattack, recipe, counted)
    names = {"SuccessfulAttackResult": "turned", "FailedAttackResult": "held", "SkippedAttackResult": "wrong"}
    found = []
    began, spent = time.perf_counter(), time.process_time()
    for row in rows:
        offer(row)
        before, n_orders = counted.texts, len(orders)
        result = made.attack(row.text, row.label)
        order = orders[-1] if len(orders) > n_orders else []
        ended = names[type(result).__name__]
        found.append(Theirs(ended, result.perturbed_result.attacked_text.text, order, counted.texts - before))
    return found, counted, time.perf_counter() - began, time.process_time() - spent


def by_veridical(recipe: str, model: Model, rows: list[Row]) -> tuple[list[Outcome], Queries, float, float]:
    queries = Queries(model)
    began, spent = time.perf_counter(), time.process_time()
    found = attack(queries, RECIPES[OURS[recipe]], [row.attempt(recipe) for row in rows])
    return found, queries, time.perf_counter() - began, time.process_time() - spent


def our_orders(recipe: str, model: Model, rows: list[Row]) -> list[list[int]]:
    """Numbers of words in the order in which we try them."""

    def ranked(row: Row) -> Any:
        asked, attempt = Asked(NO_LIMIT), row.attempt(recipe)
        first = yield from asked.ask([row.text])
        order: Order = yield from RANKED[recipe](attempt, asked, first[0])
        number = {spot: index for index, spot in row.spots.items()}
        return [number[spot] for (_, spot), _ in order]

    return Queries(model).run(ranked(row) for row in rows)


def scores_along(recipe: str, model: Model, row: Row, order: list[int]) -> FloatArray:
    """What the words of an order are ranked by."""
    first = model.predict([row.text])
    attempt = row.attempt(recipe)
    without = model.predict([attempt.changed({(0, row.spots[i]): UNKNOWN}) for i in order])
    saliency = UNTARGETED.score(without, row.label)
    if recipe == "deepwordbug":
        return saliency - UNTARGETED.score(first, row.label)
    best = [
        UNTARGETED.score(model.predict([attempt.changed({(0, row.spots[i]): word}) for word in row.offered[i]]), row.label).max()
        for i in order
    ]
    return np.exp(saliency) * np.array(best)


def compared(textattack: Any, recipe: str, model: Model, rows: list[Row], *, repeats: int) -> dict[str, Any]:
    runs = []
    by_veridical(recipe, model, rows[:5])
    by_textattack(textattack, recipe, model, rows[:5])
    for _ in range(repeats):
        runs.append((by_veridical(recipe, model, rows), by_textattack(textattack, recipe, model, rows)))
    (ours, queries, *_), (theirs, counted, *_) = runs[0]
    orders = our_orders(recipe, model, rows)
    attacked = [i for i, one in enumerate(theirs) if one.order]
    same_order = [orders[i] == theirs[i].order for i in attacked]
    up_to_ties = [
        same
        or np.allclose(
            scores_along(recipe, model, rows[i], orders[i]), scores_along(recipe, model, rows[i], theirs[i].order), atol=1e-6
        )
        for i, same in zip(attacked, same_order, strict=True)
    ]
    return {
        "rows": len(rows), "attacked": len(attacked), "turned": sum(one.status == "turned" for one in ours),
        "same_end": mean(a.status == b.status for a, b in zip(ours, theirs, strict=True)),
        "same_changed_text": mean(a.changed == b.changed for a, b in zip(ours, theirs, strict=True)),
        "same_order_of_words": mean(same_order), "same_order_but_for_ties": mean(up_to_ties),
        "same_number_of_inputs": mean(a.queries == b.seen for a, b in zip(ours, theirs, strict=True)),
        "inputs": {"veridical": queries.counts.forwards, "textattack": counted.texts},
        "inputs_a_call": {"textattack": round(counted.texts / counted.calls, 2)},
        "seconds": {
            "veridical": [[round(a[2], 3), round(a[3], 3)] for a, _ in runs],
            "textattack": [[round(b[2], 3), round(b[3], 3)] for _, b in runs],
        },
        "rows_per_second_times": round(median(b[2] / a[2] for a, b in runs), 2),
        "rows_per_cpu_second_times": round(median(b[3] / a[3] for a, b in runs), 2),
    }  # fmt: skip


def by_checksum(text: Text) -> tuple[float, float]:
    """A made-up model: 2.5 and the mean of weights in [-4, 4] that the checksums of the words give."""
    weights = [zlib.crc32(word.encode()) / 2**29 - 4 for word in str(text).split()]
    return 0.0, 2.5 + sum(weights) / max(len(weights), 1)


def vectors(textattack: Any, file: Path, *, recipes: Sequence[str], seed: int) -> None:
    """Made-up texts and candidates with what TextAttack found, for our tests."""
    rng = np.random.default_rng(seed)
    texts = [nonsense(rng, int(rng.integers(4, 12))) for _ in range(VECTORS)]
    model = ToyModel(("neg", "pos"), by_checksum)
    codes = [*(1 - model.predict(texts[:2]).argmax(axis=1)).tolist(), *model.predict(texts[2:]).argmax(axis=1).tolist()]
    written: dict[str, Any] = {"textattack": importlib.metadata.version("textattack")}
    for recipe in recipes:
        rows = rows_under_attack(textattack, texts, codes, recipe=recipe, seed=seed)
        found = by_textattack(textattack, recipe, model, rows)[0]
        written[recipe] = [{**asdict(row), **asdict(theirs)} for row, theirs in zip(rows, found, strict=True)]
    file.write_text(json.dumps(written, separators=(",", ":")).replace('},{"text"', '},\n{"text"') + "\n", encoding="utf-8")


def mean(values: Any) -> float:
    return round(float(np.mean(list(values))), 4)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--models", default="linear,minilm")
    options.add_argument("--recipes", default="deepwordbug,pwws")
    options.add_argument("--rows", type=int, default=200)
    options.add_argument("--encoder-rows", type=int, default=50)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--data", type=Path, default=os.environ.get("VERIDICAL_DATA"))
    options.add_argument("--out", type=Path, default=OUT)
    options.add_argument("--vectors", type=Path)
    asked = options.parse_args()
    textattack = import_textattack()
    if asked.vectors:
        vectors(textattack, asked.vectors, recipes=asked.recipes.split(","), seed=asked.seed)
        return
    results: dict[str, Any] = {}
    for name in asked.models.split(","):
        n_rows = asked.rows if name == "linear" else asked.encoder_rows
        data, source = rows_of(Path(asked.data) if asked.data else None, TRAIN_ROWS[name], n_rows)
        model = train(data, model=name, seed=asked.seed, **({"config": ONE_EPOCH} if name != "linear" else {})).model
        assert model is not None
        test = data.rows("test")
        results[name] = {"texts": source}
        for recipe in asked.recipes.split(","):
            rows = rows_under_attack(textattack, data.inputs(test), data.codes[test].tolist(), recipe=recipe, seed=asked.seed)
            results[name][recipe] = compared(textattack, recipe, model, rows, repeats=asked.repeats)
    record = {
        "seed": asked.seed,
        "results": results,
        "machine": machine("textattack", "numpy", "torch", "transformers"),
        "load_average": round(os.getloadavg()[0], 2),
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
