"""Interactions: reading, filtering, splitting and generating them. Numpy here; polars in the readers only."""
