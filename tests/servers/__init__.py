"""Real Redis-compatible servers for the tests, started on free ports and stopped whatever happens."""
