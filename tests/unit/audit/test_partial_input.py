"""Features are sliced once for all permutations of the labels: what is found is what fitting each fold anew would find."""

from itertools import chain

import numpy as np

from veridical.audit._evidence import Evidence
from veridical.audit.partial_input import Params, check, planted
from veridical.core.finding import Looked
from veridical.models.floors import opening, presence
from veridical.models.out_of_fold import deal_clusters
from veridical.models.word_bayes import fit_word_bayes


def test_the_accuracy_is_that_of_models_fitted_on_the_other_folds():
    data = planted().data
    evidence = Evidence(data, seed=0)
    found = check.run(evidence, Params(permutations=19), np.random.default_rng(4))
    assert isinstance(found, Looked)
    fold = deal_clusters(evidence.clusters, n_folds=5, rng=np.random.default_rng(4))
    features, right = presence(opening(data.texts)), []
    for k in range(5):
        others, these = (np.flatnonzero(kept) for kept in (fold != k, fold == k))
        said = fit_word_bayes(features[others], data.codes[others], n_classes=2).predict_features(features[these])
        right.append(said.argmax(axis=1) == data.codes[these])
    assert found.measures["first words"].value == np.mean(list(chain(*right)))
