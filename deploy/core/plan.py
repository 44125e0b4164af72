"""The beginning and the end of deploy.py, between which facts are gathered for all steps together."""

from __future__ import annotations

from deploy.core import batch
from deploy.core.step import deploy


@deploy("Plan")
def begin() -> None:
    """Begin a deploy of several steps."""
    batch.begin()


@deploy("Plan")
def end() -> None:
    """End it: without ``-y``, find out what it would change, of all its operations together."""
    batch.end()
