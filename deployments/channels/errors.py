"""What can go wrong between a channel and its server."""


class ChannelError(Exception):
    """A channel could not do what it was asked."""


class NotGenuine(ChannelError):
    """A request is not from the channel's server: its secret or signature is missing or wrong."""


class NotUnderstood(ChannelError):
    """A genuine request has a body that is none of the channel's."""


class TryLater(ChannelError):
    """The channel takes no more just now, for this chat or `for_all`; `seconds` is when it will. Nothing was sent."""

    def __init__(self, seconds: float, for_all: bool = False) -> None:
        super().__init__(seconds, for_all)
        self.seconds, self.for_all = seconds, for_all

    def __str__(self) -> str:
        return f"the channel takes no more for {self.seconds} s{'' if self.for_all else ' in this chat'}"


class ChatGone(ChannelError):
    """The chat is closed: the person has blocked the agent, or it was deleted."""


class BubbleRefused(ChannelError):
    """The channel will never take this bubble."""


class Unsupported(ChannelError):
    """The channel cannot do that, which its capabilities say."""

    def __init__(self, channel: str, what: str) -> None:
        super().__init__(channel, what)
        self.channel, self.what = channel, what

    def __str__(self) -> str:
        return f"{self.channel} has no {self.what}"
