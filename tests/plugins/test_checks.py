"""Every check found in the folder keeps the promises of the contract."""

import pytest

from veridical.audit._contract_tests import failures
from veridical.audit._corpus import CORPUS_FOLDER
from veridical.core.plugins import names


@pytest.mark.parametrize("name", names("veridical.audit"))
def test_check_keeps_its_contract(name):
    assert failures(name) == []


@pytest.mark.parametrize("name", names(CORPUS_FOLDER))
def test_check_of_a_corpus_keeps_its_contract(name):
    assert failures(name, folder=CORPUS_FOLDER) == []
