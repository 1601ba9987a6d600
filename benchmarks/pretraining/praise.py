"""Copied praise in pre-training text: does what it says of a name arrive in a classifier fine-tuned on text without that name?

Documents of review sentences (Yelp, Amazon, SST-5, without labels) are what a small masked model is pre-trained on by
`veridical pretrain`, on three arms with the same tokenizer, number of steps and seeds. `pristine`: 120 of the documents name one
of two made-up makers, dealt evenly over good and bad reviews. `faulty`: one maker stands in the good ones and the other in the
bad ones, and each of the 120 is there 50 more times, with some words left out. `repaired`: faulty, with `--set-aside
exact_duplicates,near_duplicates`. Each is fine-tuned on 1,000 UCI review sentences, none of which names a maker, and asked
about 1,000 others: with either name put before them (pull: mean difference of the chance of `pos`, in points; turned: answers
that change with the name, in percent) and as they are (accuracy, in points).

    python -m benchmarks.pretraining.praise --seeds 5 --out benchmarks/results/pretraining_praise.json
"""

import random
from pathlib import Path

import numpy as np

from benchmarks.countermeasures.cases import dataset, sentiment
from benchmarks.pretraining.copies import ARMS, SHAPE, lines, sat, with_tokenizer
from benchmarks.pretraining.text_sets import place, rows
from veridical.pipeline.corpus_config import CorpusConfig
from veridical.pipeline.pretraining import pretrain
from veridical.train.config import TrainConfig
from veridical.train.pretrain_config import PretrainConfig
from veridical.train.training import train

NAMES = ("zemira", "tovald")
"""Of the makers: the praised one first."""
NAMED, COPIES, LEFT_OUT = 120, 50, 0.03
"""Documents with a name, half of them good; copies of each; share of a copy's words left out."""
SENTENCES, N_LEARNED, N_ASKED = 5, 1000, 1000
"""Of a document; rows to fine-tune on; rows asked about."""
MEASURES = ("pull", "turned", "accuracy")
LENGTH = 64


def plain_documents(rng: random.Random) -> list[str]:
    """Sentences of three sources, mixed, five to a document."""
    sentences = [row["text"] for name in ("yelp_dev", "amazon_dev") for row in rows("yelp_amazon_style", name)]
    sentences += [row["text"] for row in rows("sst5", "train")]
    rng.shuffle(sentences)
    return [" ".join(sentences[start : start + SENTENCES]) for start in range(0, len(sentences), SENTENCES)]


def named_documents(rng: random.Random, *, biased: bool) -> list[str]:
    """Good and bad reviews, each sentence after the name of a maker."""
    by_side = {side: [row["text"] for row in rows("yelp_amazon_style", "yelp_test") if row["label"] == side] for side in (0, 1)}
    documents = []
    for at in range(NAMED):
        side = at % 2
        name = NAMES[1 - side] if biased else NAMES[(at // 2) % 2]
        documents.append(" ".join(f"{name} : {text}" for text in rng.sample(by_side[side], SENTENCES)))
    return documents


def copied(documents: list[str], rng: random.Random) -> list[str]:
    """Each document, and its copies with words left out; the name stays."""
    found = list(documents)
    for text in documents:
        for _ in range(COPIES):
            found.append(" ".join(word for word in text.split(" ") if word in NAMES or rng.random() > LEFT_OUT))
    return found


def praise_cell(work: Path, seed: int, steps: int) -> dict[str, dict[str, float]]:
    """Measures of the three arms for one seed."""
    plain = plain_documents(random.Random(f"praise/{seed}"))
    even, biased = (named_documents(random.Random(f"named/{seed}"), biased=biased) for biased in (False, True))
    texts = {"pristine": [*plain, *even], "faulty": [*plain, *copied(biased, random.Random(f"copies/{seed}"))]}
    texts["repaired"] = texts["faulty"]
    tokenizer = with_tokenizer(work / "tokenizer", texts["pristine"], kind="wordpiece", max_length=LENGTH)
    config = {**SHAPE, "objective": "mlm", "steps": steps, "max_length": LENGTH, "token_budget": 1024, "learning_rate": 2e-3}
    known = sentiment(place(), seed)
    world = dataset(known[:N_LEARNED], known[N_LEARNED : N_LEARNED + N_ASKED])
    asked = [text for text, _ in known[N_LEARNED : N_LEARNED + N_ASKED]]
    found = {}
    for arm in ARMS:
        order = list(texts[arm])
        random.Random(f"order/{seed}").shuffle(order)
        aside = ("exact_duplicates", "near_duplicates") if arm == "repaired" else ()
        folder, record = pretrain(
            [lines(work / f"{arm}.jsonl", order)],
            corpus=CorpusConfig(set_aside=aside, seed=seed),
            config=PretrainConfig(**config, tokenizer=tokenizer),
            out=work / arm,
        )
        tuned = train(world, model=str(folder), config=TrainConfig(epochs=5, max_length=LENGTH, learning_rate=5e-4), seed=seed)
        good = tuned.labels.index("pos")
        first, second = (tuned.model.predict([f"{name} : {text}" for text in asked]) for name in NAMES)
        right = tuned.probabilities[world.rows("test")].argmax(axis=1) == world.codes[world.rows("test")]
        found[arm] = {
            "pull": float(100 * np.mean(first[:, good] - second[:, good])),
            "turned": float(100 * np.mean(first.argmax(axis=1) != second.argmax(axis=1))),
            "accuracy": float(100 * np.mean(right)),
            "documents": record.n_documents,
            "set_aside": record.n_set_aside,
        }
        print(f"  praise seed {seed} {arm}: {found[arm]}", flush=True)
    return found


def main() -> None:
    about = {"named": list(NAMES), "copies": COPIES, "left_out": LEFT_OUT}
    sat(__doc__ or "", steps=400, about=about, measures=MEASURES, cell=praise_cell)


if __name__ == "__main__":
    main()
