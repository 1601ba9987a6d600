"""Planted label flips: average precision of our ranking against cleanlab's. python label_errors.py ROWS.jsonl OUT.json [N]"""

import json
import sys
from pathlib import Path

import numpy as np
from cleanlab.rank import get_label_quality_scores
from sklearn.metrics import average_precision_score

from veridical.audit._confident_learning import temperature_scaled
from veridical.audit._made_up import dataset
from veridical.models.out_of_fold import out_of_fold

SHARE = 0.1


def measure(path: Path, *, n: int, seed: int) -> dict[str, float]:
    """Average precision of each ranking on n rows, 10 % of whose labels were flipped uniformly."""
    rng = np.random.default_rng(seed)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    chosen = [lines[i] for i in rng.permutation(len(lines))[:n]]
    plain = dataset((str(i), "train", row["text"], str(row["label"])) for i, row in enumerate(chosen))
    codes, wrong = plain.codes.copy(), rng.random(n) < SHARE
    codes[wrong] = (codes[wrong] + rng.integers(1, len(plain.labels), wrong.sum())) % len(plain.labels)
    noisy = plain.with_column("label", [plain.labels[code] for code in codes])
    folds = out_of_fold(noisy, np.arange(n, dtype=np.int64), seed=seed)
    families = [temperature_scaled(p, codes) for p in (folds.probabilities, folds.word_probabilities)]
    at = np.arange(n)
    mean = (families[0] + families[1]) / 2
    cleanlab = get_label_quality_scores(codes, folds.probabilities, method="self_confidence")
    return {
        "cleanlab self_confidence, linear": float(average_precision_score(wrong, -cleanlab)),
        "veridical margin, two families": float(average_precision_score(wrong, mean.max(axis=1) - mean[at, codes])),
        "veridical self-confidence, two families": float(average_precision_score(wrong, -mean[at, codes])),
    }


if __name__ == "__main__":
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    n_rows = int(sys.argv[3]) if len(sys.argv) > 3 else 1500
    result = {"rows": n_rows, "flipped": SHARE, "seed": 0, "average_precision": measure(source, n=n_rows, seed=0)}
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
