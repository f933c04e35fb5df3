"""Orders and answers between processes: as bytes, and over a pipe."""
