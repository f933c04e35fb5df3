"""Algorithms, the training loop, what a run is and how it is kept."""
