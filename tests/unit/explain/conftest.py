"""Tests here share the tiny encoder."""

from tests.tiny_encoder import tiny_bert  # noqa: F401 - a fixture
