"""What is registered beside the logs: conversations, hosts, clusters, code versions, preferences, usage."""
