"""Experiments: many trainings side by side, as a table and as a picture."""
