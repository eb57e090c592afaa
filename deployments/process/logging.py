"""How every process of a deployment logs: one JSON object a line on standard error."""

import logging
import sys

import structlog
from structlog.typing import Processor

OUR_PACKAGES = ("agents", "deployments", "store")
"""Their modules may use the standard library's logging as well: `store` knows nothing of structlog."""


def configure_logging(level: int = logging.INFO) -> None:
    """Set up structlog and the standard library's logging of our packages alike; safe to call again."""
    prepare: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[Processor] = [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
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
