"""What several tests share: worlds, agents, people, and services that are started and killed."""
