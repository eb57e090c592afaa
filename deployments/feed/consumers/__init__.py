"""The consumers of the feed, each a file with a function `make`: dropping one in is all it takes (docs/feed.md)."""
