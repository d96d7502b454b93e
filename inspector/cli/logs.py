"""Sets up logging: readable lines, or one JSON object a line."""

import json
import logging
import os
import sys
import time
from types import TracebackType

from inspector.cli.printable import printable, printable_json, printable_lines

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

LEVELS = ("debug", "info", "warning", "error")
_LOUD = ("kafka",)
"""Libraries that report errors from which they recover; shown at debug only."""

_CHATTY = ("onnx_ir", "onnxscript")
"""The exporter's libraries log every step at INFO: two hundred lines for one small bundle; shown at debug only."""


class LineFormatter(logging.Formatter):
    """`12:30:01.250 WARNING inspector.streams.kafka: text`, in the machine's local time."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """One line, even where names in the message hold line breaks and escapes."""
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: ExcInfo) -> str:  # noqa: N802
        return printable_lines(super().formatException(ei))


class JsonFormatter(logging.Formatter):
    """One JSON object a line, in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return printable_json(json.dumps(entry, ensure_ascii=False))


def quiet_grpc(level: str) -> None:
    """Call it before grpc is imported: except at debug, keeps its core from writing to stderr past every formatter,
    including text of clients."""
    if level != "debug":
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def setup_logging(level: str, *, as_json: bool) -> None:
    """Logs to stderr; replaces an earlier setup."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else LineFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.CRITICAL)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
