"""Folders on disk: the server's, and what is published. No pickles."""
