"""Tests of the run on a laptop."""
