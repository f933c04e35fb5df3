"""What people look at: comparisons over many runs, and the demo with its page."""
