"""Helps for tests of the library and of what is built on it; nothing in the library imports it."""
