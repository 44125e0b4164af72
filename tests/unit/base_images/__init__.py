"""Tests of deploy/base_images."""
