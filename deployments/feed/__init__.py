"""The consumers of the feed, and the engine that hands them what happens: at least once, in order."""
