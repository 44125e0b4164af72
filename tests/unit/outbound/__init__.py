"""Tests of deploy/outbound."""
