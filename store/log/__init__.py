"""The log of a conversation: one fenced writer appends, any process reads, and the oldest part is in an archive."""
