"""The error for a request that breaks a rule of the provider."""


class InvalidRequestError(Exception):
    """Answered with a 400 invalid_request_error; the message is the provider's kind of sentence."""


def require(condition: object, message: str) -> None:
    if not condition:
        raise InvalidRequestError(message)
