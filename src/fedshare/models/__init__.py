"""What is learned from shared pairs: ragged products, tables, losses, graph and closed-form item-item weights."""
