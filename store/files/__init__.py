"""File systems beside the conversations."""
