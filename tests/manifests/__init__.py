"""Tests of what runs Observer."""
