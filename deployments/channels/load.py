"""Loads the channels: each a module with `make(services) -> Channel`; to name it in a setting is all it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from deployments.channels.channel import Channel
from deployments.settings import Settings
from store import Store


class ChannelInvalid(Exception):
    """A module that the settings name is no channel: the definition is at fault. The sentence says why."""


@dataclass(frozen=True, slots=True)
class ChannelServices:
    """What a channel is made with, once in each process."""

    settings: Settings
    store: Store


def load_channels(modules: Sequence[str], services: ChannelServices) -> Mapping[str, Channel]:
    """The channels by their names. Raises ChannelInvalid, and what an import raises."""
    loaded: dict[str, Channel] = {}
    for name in modules:
        module = import_module(name)
        make = getattr(module, "make", None)
        if not callable(make):
            raise ChannelInvalid(f"{name} has no function `make`")
        channel = make(services)
        if not isinstance(channel, Channel):
            raise ChannelInvalid(f"{name}.make has made no Channel, but {type(channel).__name__}")
        if channel.name in loaded:
            raise ChannelInvalid(f"two channels are named {channel.name}")
        loaded[channel.name] = channel
    return loaded
