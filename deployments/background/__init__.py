"""What the service does beside its requests: recovery, drained nodes, warm workers, turns without progress."""
