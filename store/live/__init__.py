"""The live channel of a conversation: published without a guarantee, read through bounded queues."""
