"""Tests of deploy/rollback."""
