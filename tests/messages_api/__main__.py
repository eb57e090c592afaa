"""Runs the stand-in by itself: `python -m tests.messages_api --port 9000 --tokens 50 --delay 0`."""

import argparse
import asyncio

import uvloop

from tests.messages_api.reply import tokens_reply
from tests.messages_api.server import MessagesServer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.messages_api", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free one")
    parser.add_argument("--tokens", type=int, default=50, help="tokens in each answer")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each token")
    options = parser.parse_args()
    reply = tokens_reply(options.tokens, options.delay)
    try:
        uvloop.run(_serve(MessagesServer(lambda _: reply, port=options.port, keeps_requests=False)))
    except KeyboardInterrupt:
        print("stopped")


async def _serve(server: MessagesServer) -> None:
    await server.serve()
    print(f"listening on {server.url}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    main()
