"""Direct connections from callers to hosts: what Ray's calls carry, with less on the way."""
