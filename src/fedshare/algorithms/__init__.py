"""The algorithms, one folder or file each. What derives from ``ClientTask`` runs on devices, the rest on the server."""
