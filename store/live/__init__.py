"""The live channel of a conversation: published without a promise, read through bounded queues."""
