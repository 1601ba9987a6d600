"""Every probe found in the folder keeps the promises of the contract."""

import pytest

from veridical.core.plugins import names
from veridical.probe._contract_tests import failures


@pytest.mark.parametrize("name", names("veridical.probe"))
def test_probe_keeps_its_contract(name):
    assert failures(name) == []
