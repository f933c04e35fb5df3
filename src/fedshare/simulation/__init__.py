"""Everybody's devices in one process: the population, its engines, and both sides of training and unlearning."""
