"""Tests of deploy/core."""
