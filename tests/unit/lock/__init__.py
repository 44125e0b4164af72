"""Tests of deploy/lock."""
