"""Tests of deploy/storage."""
