"""Processes with the code before the modules were moved understand what new code sends, and the other way round."""

import base64
import pickle
import pickletools
from typing import Any

import pytest
from ray import cloudpickle

from agents.conversation import ConversationStatus
from agents.tools import remote
from deployments.host import ray_tasks
from deployments.routing import errors
from deployments.routing.code_version import CodeVersion

SENT_BY_EARLIER_CODE = {
    "status": (
        "gAWVRgAAAAAAAACMGmFnZW50cy5jb252ZXJzYXRpb24uZHJpdmVylIwHR2xpbXBzZZSTlCmBlF2UKIwEaWRsZZRLAUsCSwN9lE5LBF2UZWIu"
    ),
    "version": "gAWVMwAAAAAAAACME2RlcGxveW1lbnRzLnJlbGVhc2WUjAdSZWxlYXNllJOUKYGUXZQoSweMA2FiY5RlYi4=",
    "no_room": "gAWVPwAAAAAAAACMEmRlcGxveW1lbnRzLmVycm9yc5SMBk5vUm9vbZSTlIwKaG9zdDphOjE6MJSFlFKUfZSMBGhvc3SUaANzYi4=",
    "stale": (
        "gAWVQQAAAAAAAACMEmRlcGxveW1lbnRzLmVycm9yc5SMDFN0YWxlUHJvY2Vzc5STlIwGaG9zdDphlIWUUpR9lIwEbmFtZZRoA3NiLg=="
    ),
    "unreachable": (
        "gAWVRgAAAAAAAACMEmRlcGxveW1lbnRzLmVycm9yc5SMC1VucmVhY2hhYmxllJOUjAFjlIWUUpR9lIwPY29udmVyc2F0aW9uX2lklGgDc2Iu"
    ),
    "unavailable": (
        "gAWVUgAAAAAAAACMEmRlcGxveW1lbnRzLmVycm9yc5SMF0NvbnRyb2xQbGFuZVVuYXZhaWxhYmxllJOUjAFjlIWUUpR9lIwPY29u"
        "dmVyc2F0aW9uX2lklGgDc2Iu"
    ),
    "stream": "gAWVIQAAAAAAAACMEWRlcGxveW1lbnRzLnRhc2tzlIwHX3N0cmVhbZSTlC4=",
    "perform": "gAWVIgAAAAAAAACMEmFnZW50cy50b29scy5oZWF2eZSMB3BlcmZvcm2Uk5Qu",
    "drop": "gAWVIAAAAAAAAACMEmFnZW50cy50b29scy5oZWF2eZSMBV9kcm9wlJOULg==",
    "not_from_here": "gAWVKQAAAAAAAACMEmFnZW50cy50b29scy5oZWF2eZSMDl9ub3RfZnJvbV9oZXJllJOULg==",
}

CURRENT: dict[str, Any] = {
    "status": ConversationStatus("idle", 1, 2, 3, {}, None, 4, []),
    "version": CodeVersion(7, "abc"),
    "no_room": errors.NoRoom("host:a:1:0"),
    "stale": errors.StaleProcess("host:a"),
    "unreachable": errors.Unreachable("c"),
    "unavailable": errors.ControlPlaneUnavailable("c"),
    "stream": ray_tasks._stream,
    "perform": remote.run_remote,
    "drop": remote._drop_progress,
    "not_from_here": remote._refuse_effect,
}


@pytest.mark.parametrize("name", CURRENT)
def test_what_earlier_code_sends_is_understood(name: str) -> None:
    found = pickle.loads(base64.b64decode(SENT_BY_EARLIER_CODE[name]))
    assert type(found) is type(CURRENT[name])
    assert found == CURRENT[name] or found.args == CURRENT[name].args


@pytest.mark.parametrize("name", CURRENT)
def test_what_earlier_code_is_sent_has_the_names_that_it_knows(name: str) -> None:
    sent = cloudpickle.dumps(CURRENT[name])
    assert words(sent) == words(base64.b64decode(SENT_BY_EARLIER_CODE[name]))


def words(pickled: bytes) -> list[str]:
    """All strings in it, names of modules and classes among them."""
    return [argument for _, argument, _ in pickletools.genops(pickled) if isinstance(argument, str)]
