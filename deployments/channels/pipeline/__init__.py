"""From a message to its answer: accept, flush, read, generate, send; what happens next is decided by pure rules."""
