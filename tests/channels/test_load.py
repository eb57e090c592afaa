"""A channel is a module that a setting names."""

import sys
from collections.abc import Sequence
from types import ModuleType

import pytest

from deployments.channels.channel import Bubble, Capabilities, Channel, WebhookRequest
from deployments.channels.load import ChannelInvalid, ChannelServices, load_channels
from deployments.channels.updates import Update
from deployments.settings import Settings
from store import Store


class Plain(Channel):
    """It takes nothing in."""

    name = "plain"
    capabilities = Capabilities()

    async def receive(self, request: WebhookRequest) -> Sequence[Update]:
        return ()

    async def send(self, chat: str, bubble: Bubble) -> str:
        return bubble.guid


def define(monkeypatch: pytest.MonkeyPatch, name: str, **content: object) -> str:
    module = ModuleType(name)
    vars(module).update(content)
    monkeypatch.setitem(sys.modules, name, module)
    return name


async def test_a_channel_is_one_module(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    services = ChannelServices(Settings(), store)
    name = define(monkeypatch, "own_channel", make=lambda given: Plain() if given is services else None)
    assert {known: type(one) for known, one in load_channels([name], services).items()} == {"plain": Plain}


async def test_what_is_no_channel_is_refused_with_the_reason(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    services = ChannelServices(Settings(), store)
    good = define(monkeypatch, "good_channel", make=lambda _: Plain())
    empty = define(monkeypatch, "empty_channel")
    other = define(monkeypatch, "other_channel", make=lambda _: 3)
    for modules, said in (([empty], "no function"), ([other], "no Channel, but int"), ([good, good], "two channels")):
        with pytest.raises(ChannelInvalid, match=said):
            load_channels(modules, services)
