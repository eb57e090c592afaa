"""How the store talks to Redis: connections, scripts, repetition after a lost connection, confirmation by replicas."""
