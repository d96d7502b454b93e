"""Text of others on a terminal and in the log."""

import io
import json
import logging
import subprocess
import sys

import pytest

from inspector.cli.logs import JsonFormatter, LineFormatter
from inspector.cli.printable import cell, printable, printable_json, printable_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Gehäuse 7 — ok", "Gehäuse 7 — ok"),
        ("\x1b]0;x\x07", r"\x1b]0;x\x07"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202egnp", r"\u202egnp"),
        ("\u2028", r"\u2028"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_is_not_printable_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines_of_our_making_stay() -> None:
    assert printable_lines("2 problems\n\x1b[2J") == "2 problems\n\\x1b[2J"


def test_a_cell_is_bounded() -> None:
    assert len(cell("x" * 10**6)) == 201


@pytest.mark.parametrize("formatter", [LineFormatter(), JsonFormatter()])
def test_a_log_line_stays_one_line(formatter: logging.Formatter) -> None:
    """Names in records come from anybody who may write to the log."""
    logger, stream = logging.Logger("test"), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    logger.warning("Station %s is new.", "s\n12:00:00.000 ERROR inspector: all is lost\x1b[2J\x9b\u202e")
    (line,) = stream.getvalue().removesuffix("\n").split("\n")
    assert line.isprintable()
    if isinstance(formatter, JsonFormatter):
        assert "\x9b" in json.loads(line)["message"]


def test_json_escapes_what_its_writer_lets_stand() -> None:
    assert printable_json('"a\x7fb\x9b"') == r'"a\u007fb\u009b"'


def test_a_trace_keeps_its_lines_and_loses_its_escapes() -> None:
    logger, stream = logging.Logger("test"), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter())
    logger.addHandler(handler)
    try:
        raise ValueError("\x1b[2J")  # noqa: TRY301
    except ValueError:
        logger.exception("It broke.")
    lines = stream.getvalue().splitlines()
    assert len(lines) > 3
    assert all(line.isprintable() for line in lines)


FAREWELL = """
import os, socket, struct, sys
from inspector.cli import main
with main.make_context("inspector", ["serve"]) as ctx:
    main.get_command(ctx, "serve")
import grpc
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(1) as pool:
    server = grpc.server(pool)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    client = socket.create_connection(("127.0.0.1", port))
    debug_data = struct.pack(">II", 0, 2) + b"\\x1b[2Jowned"
    goaway = struct.pack(">I", len(debug_data))[1:] + b"\\x07\\0" + struct.pack(">I", 0) + debug_data
    client.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + b"\\0\\0\\0\\x04\\0\\0\\0\\0\\0" + goaway)
    client.settimeout(0.3)
    try:
        while client.recv(1000): pass
    except OSError: pass
    client.close()
    server.stop(0)
"""


def test_what_a_client_says_as_it_leaves_does_not_reach_stderr() -> None:
    done = subprocess.run([sys.executable, "-c", FAREWELL], capture_output=True, check=True, timeout=60)
    assert done.stderr == b""
