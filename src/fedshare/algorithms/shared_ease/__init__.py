"""SharedEASE: closed-form item-item weights that unlearn to the byte, and their verification."""
