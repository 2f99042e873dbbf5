"""Measures how many alerts are recorded, and what an alert costs, against ceilings of the same run; never a test."""
