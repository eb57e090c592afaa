"""What every route works with, and how a route gets at it."""

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request

from agents.agent import Catalog
from deployments.door import Door
from deployments.ingress.bodies import CONVERSATION_ID
from deployments.ingress.problems import Problem
from deployments.settings import Settings
from store import Store

LOCAL_PRINCIPAL = "local"
"""Who everybody is while the service listens to this machine alone."""

_ID = re.compile(CONVERSATION_ID)


@dataclass(frozen=True, slots=True)
class Service:
    settings: Settings
    catalog: Catalog
    store: Store
    door: Door


# Both are coroutines, though they wait for nothing: FastAPI runs plain functions in a thread, for more than they cost.
async def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def valid_id(conversation_id: Annotated[str, Path()]) -> str:
    return checked_id(conversation_id)


def checked_id(conversation_id: str) -> str:
    """The id itself if it is one; raises `Problem`."""
    if not _ID.fullmatch(conversation_id):
        raise Problem("invalid_conversation_id", "An id has 1 to 128 letters, digits or ._~- and starts with no sign.")
    return conversation_id


TheService = Annotated[Service, Depends(service_of)]
ConversationId = Annotated[str, Depends(valid_id)]
