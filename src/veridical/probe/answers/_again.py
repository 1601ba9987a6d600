"""The scored model's recipe, trained again on other rows, where that takes seconds."""

from collections.abc import Sequence

import numpy as np

from veridical.dataset.rows import IntArray
from veridical.models.answering_linear import LINEAR_HEADS, fit_linear_answering
from veridical.probe.answers._subject import AnswerSubject


def why_not_again(subject: AnswerSubject) -> str:
    """Why the subject cannot be trained again; empty where it can."""
    recipe = subject.recipe
    if recipe is None:
        return "The model was not trained by veridical, so it cannot be trained again. Run with --model linear to look at that."
    if recipe.model != "linear" or subject.structure.head not in LINEAR_HEADS:
        return f"Training {recipe.model} again and again takes too long here. Look at --model linear where the task has it."
    return ""


def train_rows(subject: AnswerSubject) -> IntArray:
    rows = subject.data.rows("train")
    return rows[[subject.data.answers[row] is not None for row in rows]] if len(rows) else rows


def said_again(subject: AnswerSubject, train: IntArray, on: Sequence[int] | IntArray, *, seed: int) -> list[str]:
    """What the recipe answers to the rows `on` after training on the rows `train`; a row may stand there twice."""
    model = fit_linear_answering(subject.data, train, structure=subject.structure, seed=seed)
    return model.answer(subject.data.inputs(np.asarray(on, np.int64))).said
