"""What can go wrong between a caller and a conversation; pickling keeps type and arguments."""

from agents.former_names import sent_as


@sent_as("deployments.errors.DeploymentError")
class DeploymentError(Exception):
    """The base of every error that `deployments` raises."""


@sent_as("deployments.errors.ControlPlaneUnavailable")
class ControlPlaneUnavailable(DeploymentError):
    """The control plane does not say whether the conversation lives, so it is not started: try again."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(conversation_id)
        self.conversation_id = conversation_id

    def __str__(self) -> str:
        return f"the cluster cannot tell where {self.conversation_id} lives"


@sent_as("deployments.errors.NoRoom")
class NoRoom(DeploymentError):
    """This host takes no more conversations: it is full, or about to end. Another host takes them."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host

    def __str__(self) -> str:
        return f"{self.host} takes no more conversations"


@sent_as("deployments.errors.StaleProcess")
class StaleProcess(DeploymentError):
    """This process was started ahead of need, before the sources changed: another process must do the work."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"{self.name} was given a process with older code"


@sent_as("deployments.errors.Unreachable")
class Unreachable(DeploymentError):
    """The conversation's actor did not answer in time, however often it was asked: try again."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(conversation_id)
        self.conversation_id = conversation_id

    def __str__(self) -> str:
        return f"{self.conversation_id} cannot be reached"
