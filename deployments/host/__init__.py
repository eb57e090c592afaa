"""The actors in which conversations live: one that a conversation has for itself, or one that many share."""

from deployments.host.actor import HostActor as Host  # what is sent names it so: see agents/former_names.py

__all__ = ["Host"]
