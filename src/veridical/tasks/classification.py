"""Text classification: one text or a pair of texts in, one of 2 to 200 labels out."""

from veridical.tasks._confusion_metrics import METRICS
from veridical.tasks._contract import Task

task = Task(
    name="classification",
    metrics=METRICS,
    declared="accuracy",
    floors=("majority", "one_word", "partial_input", "bag_of_words"),
)
