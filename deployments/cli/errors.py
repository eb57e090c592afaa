"""What a command may fail with: always one line for the person at the terminal."""


class CommandFailed(Exception):
    """The command cannot do what was asked; the text says why and what to do."""


class ConnectionBroke(CommandFailed):
    """The service was there, and whether it took the request is not known."""
