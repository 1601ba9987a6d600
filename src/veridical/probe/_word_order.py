"""Real rows with their words in random order: how sure the model stays, and whether it still is right as often as it is sure.

Shuffled words are no input without evidence: whoever counts words reads the same as before. So confidence alone tells nothing
against a model here, and none of this is pooled with inputs that hold no evidence. What can be held against it is confidence that
stays where the answers get wrong.
"""

import numpy as np

from veridical.core.probe_record import Measure
from veridical.dataset.rows import IntArray, Text
from veridical.models.model import FloatArray
from veridical.probe import _clustered
from veridical.probe._subject import Subject
from veridical.probe._text_edits import shuffled

KIND = "word_shuffled"


def reordered(subject: Subject, n: int, rng: np.random.Generator) -> tuple[IntArray, list[Text]]:
    """Places within the subject's rows, of at most n whose words can be moved, and their texts in another order."""
    looked = subject.sample(n, rng)
    mixed = [shuffled(subject.inputs[at], 1, rng) for at in looked.tolist()]
    moved = np.array([text != subject.inputs[at] for at, text in zip(looked.tolist(), mixed, strict=True)], np.bool_)
    return looked[moved], [text for text, other in zip(mixed, moved.tolist(), strict=True) if other]


def measures(subject: Subject, places: IntArray, answers: FloatArray, *, tolerated: float, level: float) -> list[Measure]:
    """answers: probabilities (n, C) of the rows at `places` (n,) with their words shuffled. tolerated: how much further than on
    the rows as they stand confidence may run ahead of being right, 0..1."""
    before, codes, clusters = subject.probabilities[places], subject.codes[places], subject.clusters[places]
    sure, was_sure = answers.max(axis=1), before.max(axis=1)
    said, was_said = answers.argmax(axis=1), before.argmax(axis=1)
    n = len(places)
    ahead = (sure - (said == codes)) - (was_sure - (was_said == codes))
    whole = float(_clustered.mean(was_sure, clusters).value)
    counting = "A model that counts words answers alike: to it they are evidence."
    return [
        _clustered.measure(
            f"excess_{KIND}", _clustered.mean(ahead, clusters), unit="share", null=tolerated, level=level, changes=False,
            about=f"How much further confidence runs ahead of being right on {n} test rows with their words in random order than "
            "on the same rows as they stand; 0 for a model that counts words.",
        ),
        _clustered.measure(
            f"confidence_{KIND}", _clustered.mean(sure, clusters), unit="share", level=level, bounded=True,
            about=f"Confidence on test rows with their words in random order; as they stand it is {whole:.2f}. {counting}",
        ),
        _clustered.measure(
            f"answer_stays_{KIND}", _clustered.mean((said == was_said).astype(np.float64), clusters), unit="share", level=level,
            bounded=True, about=f"Share of test rows whose answer stays with their words in random order. {counting}",
        ),
    ]  # fmt: skip
