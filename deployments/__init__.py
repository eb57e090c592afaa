"""Raylogue on Ray: the ingress, the door, the actors, the page, the command line and the settings."""

from agents.former_names import answer_to_former_names

answer_to_former_names()
