"""Why a memory was not changed."""

from agents.errors import AgentError


class MemoryRefused(AgentError):
    """The text cannot be remembered, or there are too many memories; the sentence says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class MemoryNotFound(AgentError):
    """The person has no memory of this id."""

    def __init__(self, memory_id: str) -> None:
        super().__init__(memory_id)
        self.memory_id = memory_id

    def __str__(self) -> str:
        return f"there is no memory {self.memory_id}"


class MemoryChanged(AgentError):
    """It was changed after the caller had read it."""

    def __init__(self, memory_id: str) -> None:
        super().__init__(memory_id)
        self.memory_id = memory_id

    def __str__(self) -> str:
        return f"the memory {self.memory_id} has been changed meanwhile"
