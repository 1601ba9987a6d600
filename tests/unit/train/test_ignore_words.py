"""Words dealt anew: as many rows hold them as before, whatever the label, and answers are to the texts as given."""

import numpy as np
import pytest

from veridical.core.errors import InputError
from veridical.dataset.cue import holds
from veridical.train.countermeasures._toys import planted_cue
from veridical.train.countermeasures.ignore_words import Params, rewritten
from veridical.train.training import train


def test_as_many_texts_hold_the_word_and_the_label_does_not_matter() -> None:
    data = planted_cue()
    rows = data.rows("train")
    made = rewritten(data, rows, Params("odd"), np.random.default_rng(0))
    before, after = holds(data.inputs(rows), "odd"), holds(made.inputs(rows), "odd")
    assert after.sum() == before.sum()
    given, dealt = ([float(held[data.codes[rows] == code].mean()) for code in (0, 1)] for held in (before, after))
    assert abs(given[1] - given[0]) > 0.8
    assert abs(dealt[1] - dealt[0]) < 0.15
    test = data.rows("test")
    assert made.inputs(test) == data.inputs(test)


def test_a_linear_model_no_longer_leans_on_the_word_and_answers_the_texts_as_given() -> None:
    data = planted_cue()
    plain, ignoring = train(data), train(data, countermeasures=["ignore_words:words=odd+plain"])
    test = data.rows("test")
    right = [float((done.probabilities[test].argmax(1) == data.codes[test]).mean()) for done in (plain, ignoring)]
    assert right[1] > right[0] + 0.1
    assert ignoring.model is not None
    assert ignoring.probabilities == pytest.approx(ignoring.model.predict(data.inputs()), abs=1e-9)


def test_words_that_stand_nowhere_are_refused() -> None:
    with pytest.raises(InputError, match="zzz, which stand in no training row"):
        train(planted_cue(), countermeasures=["ignore_words:words=zzz"])


def test_words_with_marks_of_the_command_line_stay_whole_in_a_list() -> None:
    data = planted_cue()
    rows = data.rows("train")
    texts = [text.replace("odd", "C++") for text in data.texts]
    data = data.with_column("text", list(texts))
    made = rewritten(data, rows, Params(listed=("C++",)), np.random.default_rng(0))
    assert holds(made.inputs(rows), "C++").sum() == holds(data.inputs(rows), "C++").sum() > 0
    assert not any(" C ++" in str(text) for text in made.inputs(rows))
