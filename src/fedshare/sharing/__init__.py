"""Sharing: who lets the server see what, how they take it back, and what each side may read. NumPy only."""
