"""Replay: puts what a log has recorded to another model, prompt, set of tools or agent, and compares the two."""
