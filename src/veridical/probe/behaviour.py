"""Does the model do what every reader of its task expects: denial, time, whose view, other names, noise?

What it measures: in sentences written for the purpose (English and Chinese sentiment, or a suite of one's own), how often it
fails: minimum functionality (MFT: the sentence has one label), invariance (INV: variants that must get one answer), direction
(DIR: a probability that must not go down, or up). One failure rate a test, with Wilson intervals, corrected for their number.
Why it inflates a score: test rows hold few denials, few views of other people and few of anything else that is rare; a model can
be wrong on all of them and lose a point.
How it errs: sentences are built from short lists, so a rate speaks for what these templates can make, not for any text; a model
of another domain may rightly read a sentence otherwise; without a neutral class some tests are left out.
Source: Ribeiro et al. 2020, arXiv:2005.04118 (CheckList; its sentiment suite can be read as it is). Sentences are ours.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veridical.core.finding import Skipped
from veridical.core.randomness import stream
from veridical.dataset.rows import Text
from veridical.probe import perturbations
from veridical.probe._contract import Measured, Probe, Toys
from veridical.probe._subject import Subject, subject_of
from veridical.probe._suite_judging import Judging, judged
from veridical.probe._suites import Suite, content_of, own_suite, own_suites, read_suite
from veridical.probe._toys import ToyModel


@dataclass(frozen=True)
class Params:
    """Settings of behaviour."""

    suite: str = ""
    """A file with tests of one's own (YAML as in probe/suites, or JSON lines as CheckList's); empty: our own suites in the
    languages of the test rows. On the command line: veridical probe RUN --suite FILE."""
    labels: tuple[tuple[str, str], ...] = ()
    """(label of the suite, label of the data) pairs, where names do not tell; several data labels may stand for one."""
    tolerated: float = 0.05
    """Failure rate up to which nothing is called found, 0..1. Ours; no source."""
    tolerance: float = 0.1
    """Change of a probability that counts as none in INV and DIR tests, 0..1. Ribeiro et al. 2020 use 0.1."""
    cases: tuple[int, int, int] = (60, 200, 500)
    """Cases of each test in a quick, standard and thorough look. Ours; no source."""
    fewest: int = 10
    """Cases a test must have. Ours; no source."""
    language_share: float = 0.1
    """Share of the test rows that must be in a language for its suite to be asked, 0..1. Ours; no source."""
    language_rows: int = 300
    """Test rows whose language is looked at. Ours; no source."""
    examples: int = 10
    """Failures shown, one a test. Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1."""


def run(subject: Subject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    if subject.queries is None:
        return Skipped("Only predictions are known, and the tests must be asked. Give the model itself.")
    if subject.data.seconds is not None:
        return Skipped("The tests are single sentences, and this model reads pairs of texts.")
    suites = _suites(subject, params, subject.limit(*params.cases), rng)
    if not suites:
        own = "; ".join(own_suites())
        return Skipped(
            f"There are own tests for English and Chinese sentiment ({own}), and the test rows are in neither language."
        )
    return judged(subject.queries, suites, subject.labels, judging(params))


def judging(params: Params) -> Judging:
    return Judging(params.labels, params.tolerated, params.tolerance, params.fewest, params.examples, params.level)


def _suites(subject: Subject, params: Params, most: int, rng: np.random.Generator) -> list[Suite]:
    if params.suite:
        return [read_suite(Path(params.suite), most=most, rng=rng)]
    places = subject.sample(params.language_rows, rng)
    spoken = [perturbations.language(str(subject.inputs[i])) for i in places]
    suites = [own_suite(name, most=most, rng=rng) for name in own_suites()]
    return [one for one in suites if spoken.count(one.language) >= params.language_share * len(spoken)]


def toys() -> Toys:
    """Words of praise and complaint. The honest model knows the answers; the cheat adds up words, deaf to denial."""
    from veridical.audit._made_up import dataset, nonsense

    rng, rows = stream(0, "behaviour toy"), []
    for i in range(60):
        label = ("negative", "positive")[i % 2]
        text = f"the thing was {'great' if i % 2 else 'awful'} and it is {nonsense(rng, 4)}"
        rows.append((str(i), "train" if i < 10 else "test", text, label))
    data = dataset(rows)
    suite = own_suite("sentiment_en.yaml", most=10**6, rng=np.random.default_rng(0))
    right = {case[0]: test.expect for test in suite.tests if test.kind == "MFT" for case in test.cases}
    given = content_of("sentiment_en.yaml")["words"]
    good, bad = {*given["good"], *given["love"]}, {*given["bad"], *given["hate"]}

    def counts(text: Text) -> tuple[float, float]:
        units = [unit.strip(".,!?").casefold() for unit in str(text).split()]
        return 0.0, 2.0 * (sum(unit in good for unit in units) - sum(unit in bad for unit in units))

    def honest(text: Text) -> tuple[float, float]:
        if str(text) in right:
            return 0.0, 4.0 if "positive" in right[str(text)] else -4.0
        return 0.0, 4.0 * float(np.sign(counts(text)[1]))

    return Toys(
        subject_of(data, ToyModel(data.labels, honest)),
        subject_of(data, ToyModel(data.labels, counts)),
        "fails: denied praise (en)",
    )


probe = Probe(run, Params(), toys, cost="little")
