"""Text classification: one text or a pair of texts in, one of 2 to 200 labels out."""

from veridical.tasks._confusion_metrics import accuracy, balanced_accuracy, macro_f1, mcc, weighted_f1
from veridical.tasks._contract import Task

task = Task(
    name="classification",
    metrics={
        "accuracy": accuracy,
        "macro_f1": macro_f1,
        "weighted_f1": weighted_f1,
        "balanced_accuracy": balanced_accuracy,
        "mcc": mcc,
    },
    declared="accuracy",
    floors=("majority", "one_word", "partial_input", "bag_of_words"),
)
