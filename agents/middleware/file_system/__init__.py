"""Files for agents: mounts, tools, and edits that are never silently lost."""

from agents.middleware.file_system.file_system import FileSystem
from agents.middleware.file_system.mounts import Mounted

__all__ = ["FileSystem", "Mounted"]
