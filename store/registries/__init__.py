"""What is recorded beside the logs: conversations, hosts, clusters, code versions, preferences, usage."""
