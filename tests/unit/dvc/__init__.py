"""Tests of deploy/dvc."""
