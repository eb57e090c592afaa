"""What the service does beside its requests: recovery, drained nodes, warm processes, turns without progress."""
