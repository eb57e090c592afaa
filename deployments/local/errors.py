"""What keeps the local service from starting; the text names the cause and the way out, in one line."""


class CannotStart(Exception):
    """Shown to the operator as it is."""
