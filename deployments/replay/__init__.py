"""Replays of past conversations over the cluster: which ones, in whose name, and what came of them."""
