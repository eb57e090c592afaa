"""Reads the body of a request within its bounds: as bytes, or as one of the models in `bodies`."""

from typing import TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ValidationError

from deployments.ingress.bodies import NewMessage
from deployments.ingress.limits import ReplicaLimits
from deployments.ingress.problems import Problem

MAX_SMALL_BODY_BYTES = 64 * 1024

T = TypeVar("T", bound=BaseModel)


async def read_body(
    request: Request, model: type[T], limits: ReplicaLimits, max_bytes: int = MAX_SMALL_BODY_BYTES
) -> T:
    """The request's JSON body as `model`, never more than `max_bytes` of it; raises `Problem`."""
    body, _ = await _read_json(request, model, limits, max_bytes)
    return body


async def read_optional_body(request: Request, model: type[T], limits: ReplicaLimits) -> T:
    """The request's JSON body as `model`; a request without a body leaves out all its fields. Raises `Problem`."""
    received = await read_bytes(request, limits, MAX_SMALL_BODY_BYTES)
    if not received:
        return model()
    _check_media_type(request)
    return _parse(received, model)


async def read_message(
    request: Request, limits: ReplicaLimits, max_bytes: int, max_attached_bytes: int
) -> tuple[NewMessage, int]:
    """A message and its size; `max_attached_bytes` holds for one with images or documents. Raises `Problem`."""
    message, size = await _read_json(request, NewMessage, limits, max(max_bytes, max_attached_bytes))
    if size > max_bytes and not message.has_attachments:
        raise _too_large(max_bytes)
    return message, size


async def read_bytes(request: Request, limits: ReplicaLimits, max_bytes: int, code: str = "message_too_large") -> bytes:
    """The raw body; raises `Problem` with this code as soon as it has more than `max_bytes`.

    The bodies of all requests together are bounded too: a request that exceeds this bound is refused as `overloaded`.
    """
    received = bytearray()
    try:
        async for chunk in request.stream():
            limits.body_bytes.acquire(len(chunk))
            received += chunk
            if len(received) > max_bytes:
                raise _too_large(max_bytes, code)
        return bytes(received)
    finally:
        limits.body_bytes.release(len(received))


async def _read_json(request: Request, model: type[T], limits: ReplicaLimits, max_bytes: int) -> tuple[T, int]:
    """The body, and how many bytes it had."""
    _check_media_type(request)
    received = await read_bytes(request, limits, max_bytes)
    return _parse(received, model), len(received)


def _check_media_type(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem("unsupported_media_type", f"Send application/json, not {media_type or 'nothing'}.")


def _parse(received: bytes, model: type[T]) -> T:
    try:
        parsed = orjson.loads(received)
    except orjson.JSONDecodeError as error:
        raise Problem("malformed_json", str(error)) from error
    try:
        return model.model_validate(parsed)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        raise Problem("invalid_request", f"{place}: {first['msg']}") from error


def _too_large(max_bytes: int, code: str = "message_too_large") -> Problem:
    return Problem(code, f"At most {max_bytes} bytes are taken.")
