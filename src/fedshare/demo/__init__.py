"""The demo: sharing, taking back, unlearning and the audit on real purchases, written up as one page."""
