"""Tests of deploy/status."""
