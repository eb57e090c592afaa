"""Sending: an answer becomes bubbles, which go out one by one as a person would text them, each once."""
