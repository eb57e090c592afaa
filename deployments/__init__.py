"""Raylogue on Ray: the ingress, the door, the actors, the page, the command line and the settings."""
