"""Tests of deploy/stack."""
