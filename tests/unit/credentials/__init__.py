"""Tests of deploy/credentials."""
