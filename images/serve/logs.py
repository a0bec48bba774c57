"""The server's logs: one JSON object per line on stderr, without personal data."""

import logging
import sys
from datetime import UTC, datetime

import orjson


class JsonLines(logging.Formatter):
    """Formats a record as one line; `extra={"facts": {…}}` of a call becomes fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        facts = getattr(record, "facts", {})
        time = datetime.fromtimestamp(record.created, UTC)
        line = {"time": time, "level": record.levelname, "logger": record.name, "message": record.getMessage(), **facts}
        if record.exc_info and record.exc_info[0]:
            line["type"] = record.exc_info[0].__name__
        return orjson.dumps(line, default=str).decode()


def configure() -> None:
    """Send all logs to stderr as JSON, and silence loggers that write several lines per request."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in ("kserve", "kserve.trace", "uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]  # kserve does not replace a handler that is already set
        logger.propagate = False
        logger.setLevel(logging.WARNING)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    # With a handler, uvicorn formats a line for every request, whatever the level.
    logging.getLogger("uvicorn.access").handlers = []
