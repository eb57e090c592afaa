"""How a command reaches its conversation: the door, where conversations are placed, and what the cluster knows."""
