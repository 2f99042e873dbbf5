"""Tests of the ear that asks."""
