"""JSON lines on stderr: one object a line, whatever `extra` a call gives becoming fields of it."""

import json
import logging
import sys
from datetime import UTC, datetime

from opentelemetry import trace

from shared.telemetry import request_id

# What logging puts on every record: all else came in through `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """time, level, logger, message, service, the extra fields, x_request_id where the call brought one, trace_id and
    span_id within a trace, error with its stack where there is one."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "service": self._service,
        }
        line.update((key, value) for key, value in vars(record).items() if key not in _STANDARD)
        if known_as := request_id.current():
            line["x_request_id"] = known_as
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["trace_id"] = f"{span.trace_id:032x}"
            line["span_id"] = f"{span.span_id:016x}"
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def start(service: str, level: str) -> None:
    """Sends every log of this process to stderr as JSON. Libraries speak from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    logging.basicConfig(handlers=[handler], level=max(logging.WARNING, logging.getLevelName(level)), force=True)
    logging.getLogger("savepoint").setLevel(level)
