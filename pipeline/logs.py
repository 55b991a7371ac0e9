"""Structured logs: one JSON object a line on stderr, UTC."""

import logging
import sys


def configure_logs(*, as_json: bool = True, level: int = logging.INFO) -> None:
    """Set up logging for a process."""
    import structlog

    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    quiet_kafka_client()


def quiet_kafka_client() -> None:
    """Leave it to us to say what is wrong with the cluster: the client logs every attempt before its error is raised,
    and what it raises we say once, with what to do next."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
