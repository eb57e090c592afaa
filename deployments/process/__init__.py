"""What every process of a deployment sets up: its agents, its store, its logging and its memory."""
