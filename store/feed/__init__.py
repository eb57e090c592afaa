"""The feed: what happened, durable and in order, for the rest of the system; read by groups, each at its own pace."""
