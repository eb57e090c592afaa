"""Event streams and other long answers: what a watcher sees, and how a stream ends."""
