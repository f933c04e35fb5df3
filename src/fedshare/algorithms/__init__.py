"""The algorithms, one folder or file each. What derives from ``ClientTask`` runs on devices; the rest is server code."""
