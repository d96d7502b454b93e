"""Requests as bytes of HTTP/1.1, and a client that reads the answers of a real server."""

import asyncio
import base64
import json
from pathlib import Path

import pytest

from tests.benchmarks.rivals.load import Counts, ask_on, connect, http_bytes, read_requests, write_requests


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("octets", b"\x00piece"),
        ("text", json.dumps({"request": base64.b64encode(b"\x00piece").decode()}).encode()),
        ("texts", json.dumps({"requests": [base64.b64encode(b"\x00piece").decode()]}).encode()),
    ],
)
def test_a_request_is_head_and_body(kind: str, body: bytes) -> None:
    head, sent = http_bytes(kind, b"\x00piece").split(b"\r\n\r\n", 1)
    assert sent == body
    assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")


def test_requests_come_back_from_their_file(tmp_path: Path) -> None:
    write_requests(tmp_path / "requests", [b"a\n", b"\x00"], [1, 3])
    assert read_requests(tmp_path / "requests") == ([b"a\n", b"\x00"], [1, 3])


async def answering(answers: list[bytes]) -> "asyncio.Server":
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readuntil(b"piece")
            writer.write(answer)
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


def answer(status: int, content: object) -> bytes:
    body = json.dumps(content).encode()
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body)


async def test_decisions_are_read_from_single_answers_and_lists() -> None:
    server = await answering([answer(200, {"decision": 2}), answer(200, [{"decision": 3}]), answer(500, "broken")])
    async with server:
        opened = await connect("octets", server.sockets[0].getsockname()[1], [http_bytes("octets", b"piece")])
        assert [await opened.ask(0), await opened.ask(0)] == [2, 3]
        with pytest.raises(RuntimeError, match="status 500"):
            await opened.ask(0)
        await opened.close()


async def test_another_decision_than_the_expected_one_is_counted() -> None:
    asked: list[int] = []

    async def ask(number: int) -> int:
        asked.append(number)
        if len(asked) == 4:
            raise EOFError
        return 1

    counts = Counts()
    with pytest.raises(EOFError):
        await ask_on(ask, 0, 2, [1, 1, 2], float("inf"), counts)
    assert asked == [0, 2, 1, 0]
    assert (len(counts.latencies_ms), counts.wrong) == (3, 1)
