"""Raylogue on Ray: the ingress, the door, the actors, the page, the command line and the settings."""

from agents.former_names import answer_to_former_names
from deployments.ray_internals.serve_imports import spare_serve_imports

answer_to_former_names()
spare_serve_imports()
