"""Measures the running service from the outside, next to a plain application that does the same chat."""
