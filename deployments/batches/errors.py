"""What can be wrong with what is asked of a batch, in the sentences that people read."""


class BatchError(Exception):
    """A batch cannot be made or changed: the caller is at fault."""


class UnknownFile(BatchError):
    """The rows are to be in a file that the caller has not uploaded, or not any more."""

    def __init__(self, file_id: str) -> None:
        super().__init__(file_id)
        self.file_id = file_id

    def __str__(self) -> str:
        return f"there is no uploaded file {self.file_id}"


class WrongState(BatchError):
    """The batch is in a state in which that cannot be asked of it."""

    def __init__(self, batch_id: str, state: str) -> None:
        super().__init__(batch_id, state)
        self.batch_id = batch_id
        self.state = state

    def __str__(self) -> str:
        return f"the batch is {self.state}"


class NotForProviderBatches(BatchError):
    """The agent is more than a model and a prompt, so the provider cannot answer for it."""

    def __init__(self, agent: str, reason: str) -> None:
        super().__init__(agent, reason)
        self.agent = agent
        self.reason = reason

    def __str__(self) -> str:
        return f"the agent {self.agent} cannot use the provider's batches: {self.reason}"
