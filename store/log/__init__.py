"""The log of a conversation: appended to by one fenced writer, read by anybody, its oldest part in an archive."""
