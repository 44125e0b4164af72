"""Where the stages write in these tests."""

from tests.unit.project.conftest import data

__all__ = ["data"]
