"""Tests of deploy/images."""
