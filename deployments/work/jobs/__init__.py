"""The jobs of the service itself, one file each."""
