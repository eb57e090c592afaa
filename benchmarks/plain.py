"""The plain application, the same chat without guarantees: FastAPI, redis and the SDK's stream helper."""

import json
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anthropic import AsyncAnthropic
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from redis.asyncio import Redis

SYSTEM_PROMPT = "You are a helpful assistant."
MODEL = "claude-sonnet-4-5"


class Message(BaseModel):
    """A message of a user."""

    text: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.redis = Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
    app.state.claude = AsyncAnthropic()
    yield
    await app.state.claude.close()
    await app.state.redis.aclose()


app = FastAPI(lifespan=lifespan)


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/v1/conversations", status_code=201)
async def create() -> dict[str, str]:
    return {"id": uuid.uuid4().hex}


@app.post("/v1/conversations/{conversation_id}/messages")
async def send(conversation_id: str, message: Message) -> StreamingResponse:
    return StreamingResponse(answer(f"plain:{conversation_id}", message.text), media_type="text/event-stream")


async def answer(history: str, text: str) -> AsyncIterator[str]:
    redis: Redis = app.state.redis
    await redis.rpush(history, json.dumps({"role": "user", "content": text}))
    messages = [json.loads(entry) for entry in await redis.lrange(history, 0, -1)]
    async with app.state.claude.messages.stream(
        model=MODEL, max_tokens=8192, system=SYSTEM_PROMPT, messages=messages
    ) as stream:
        async for token in stream.text_stream:
            yield frame("text_delta", {"text": token})
        final = await stream.get_final_text()
    await redis.rpush(history, json.dumps({"role": "assistant", "content": final}))
    yield frame("turn_completed", {"text": final})


def frame(event: str, data: dict[str, str]) -> str:
    return f"event: {event}\ndata: {json.dumps(data)}\n\n"
