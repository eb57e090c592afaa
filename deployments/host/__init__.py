"""The actors in which conversations live: dedicated to one, or shared by many."""

from deployments.host.actor import HostActor as Host  # its name between processes: see agents/former_names.py

__all__ = ["Host"]
