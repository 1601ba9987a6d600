"""Tests here share `tiny_encoder`, which pytest's import mode does not put on the path."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))

from tiny_encoder import tiny_bert  # noqa: F401 - a fixture
