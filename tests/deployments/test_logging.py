"""Each log line of our packages is one JSON object on standard error."""

import json
import subprocess
import sys

SPEAKING = """
import logging
import structlog
from deployments.process.logging import configure_logging

configure_logging()
configure_logging()
structlog.contextvars.bind_contextvars(conversation_id="c", turn=3)
structlog.get_logger("deployments.host.actor").info("woken")
structlog.get_logger("deployments.host.actor").info("not_started", conversation_id="child")
logging.getLogger("store.client.client").warning("no answer from %s", "Redis")
def log_in(password):
    1 / 0

try:
    log_in(" ".join(["a", "secret"]))
except ZeroDivisionError:
    logging.getLogger("store.log.log").exception("it went wrong")
"""


def test_structlog_and_the_standard_library_write_alike() -> None:
    done = subprocess.run([sys.executable, "-c", SPEAKING], capture_output=True, text=True, check=True)
    woken, other, away, wrong = map(json.loads, done.stderr.splitlines())
    assert done.stdout == ""
    assert (woken["event"], woken["level"], woken["conversation_id"], woken["turn"]) == ("woken", "info", "c", 3)
    assert (other["conversation_id"], "turn" in other) == ("child", False), "the turn is that of another conversation"
    assert (away["event"], away["level"]) == ("no answer from Redis", "warning")
    assert (away["conversation_id"], away["turn"]) == ("c", 3)
    assert (wrong["event"], wrong["exception"][0]["exc_type"]) == ("it went wrong", "ZeroDivisionError")
    assert "a secret" not in done.stderr, "the variables of frames are nobody's business"
    assert woken["timestamp"] <= away["timestamp"] <= wrong["timestamp"]
