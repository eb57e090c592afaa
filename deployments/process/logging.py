"""How every process of a deployment logs: one JSON object a line on standard error."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.contextvars import get_contextvars
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor

OUR_PACKAGES = ("agents", "deployments", "store")
"""Their modules may use the standard library's logging as well: `store` knows nothing of structlog."""

WITHOUT_LOCALS = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
"""A frame's variables hold what people said, and the passwords that tools work with."""


def _add_bound(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add what is bound to the work that logs, such as its turn; of a line about another conversation, the trace."""
    bound = get_contextvars()
    is_about = event.get("conversation_id", bound.get("conversation_id"))
    if is_about != bound.get("conversation_id"):
        bound = {"trace_id": bound.get("trace_id")}
    return {**{name: value for name, value in bound.items() if value is not None}, **event}


def configure_logging(level: int = logging.INFO) -> None:
    """Set up structlog and the standard library's logging of our packages alike; safe to call again."""
    prepare: list[Processor] = [
        _add_bound,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[Processor] = [WITHOUT_LOCALS, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*prepare, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=prepare,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    for package in OUR_PACKAGES:
        logger = logging.getLogger(package)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
