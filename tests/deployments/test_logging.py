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
structlog.get_logger("deployments.host.actor").info("woken", conversation="c")
logging.getLogger("store.client.client").warning("no answer from %s", "Redis")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("store.log.log").exception("it went wrong")
"""


def test_structlog_and_the_standard_library_write_alike() -> None:
    done = subprocess.run([sys.executable, "-c", SPEAKING], capture_output=True, text=True, check=True)
    woken, away, wrong = map(json.loads, done.stderr.splitlines())
    assert done.stdout == ""
    assert (woken["event"], woken["level"], woken["conversation"]) == ("woken", "info", "c")
    assert (away["event"], away["level"]) == ("no answer from Redis", "warning")
    assert (wrong["event"], wrong["exception"][0]["exc_type"]) == ("it went wrong", "ZeroDivisionError")
    assert woken["timestamp"] <= away["timestamp"] <= wrong["timestamp"]
