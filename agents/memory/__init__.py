"""What agents remember of a person, in all conversations and channels; never of two persons, or of two tenants."""

from agents.memory.errors import MemoryChanged, MemoryNotFound, MemoryRefused
from agents.memory.personal_memory import Entry, PersonalMemory
from agents.memory.ranking import Ranking, by_words

__all__ = [
    "Entry",
    "MemoryChanged",
    "MemoryNotFound",
    "MemoryRefused",
    "PersonalMemory",
    "Ranking",
    "by_words",
]
