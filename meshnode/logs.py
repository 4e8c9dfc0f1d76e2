"""Log lines are events with fields, on standard error: JSON for machines, columns for people."""

import logging
import sys
from typing import Literal

import structlog


def configure_logs(style: Literal["json", "pretty"], level: str) -> None:
    """Process-wide, once, by the daemon."""
    number = logging.getLevelNamesMapping()[level.upper()]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=24)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("zeroconf").setLevel(logging.ERROR)  # it warns of every malformed packet on the network
    logging.getLogger("quic").setLevel(logging.ERROR)
