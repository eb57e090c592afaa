"""Claude, and every other server that speaks the Messages API."""
