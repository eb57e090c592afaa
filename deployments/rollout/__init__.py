"""How new code reaches a cluster: checked on every node first, then released by Serve."""
