"""Every record of a damaged, compressed or old batch is read or reported; none stops the reader."""

import gzip
import random
import re
import struct
import tracemalloc
from collections.abc import Callable, Iterable

import pytest
from kafka import TopicPartition
from kafka.protocol.consumer import IsolationLevel
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.legacy_records import LegacyRecordBatchBuilder
from kafka.record.util import calc_crc32c

from streams.kafka.answers import Answer, Message, UnreadableMessage
from streams.kafka.batches import MAX_HEADERS, MAX_UNREADABLE_PER_BATCH, gunzip
from streams.kafka.client import record_of

AT = TopicPartition("frames", 0)
LIMIT = 2**20
HEADER = 61
"""Bytes of a batch before its records."""


class Name(str):
    """A header name whose bytes are not UTF-8, as a C client writes it."""

    def encode(self, *_: object, **__: object) -> bytes:
        return b"\xff\xfe"


def batch(values: Iterable[bytes], base: int = 0, names: Callable[[int], str] = lambda _: "kind") -> bytearray:
    """A batch as a producer writes it, at an offset of the log."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 2**26)
    for number, value in enumerate(values):
        builder.append(number, 1_000 + number, b"key", value, [(names(number), b"x")])
    content = bytearray(builder.build())
    struct.pack_into(">q", content, 0, base)
    return content


def signed(content: bytearray) -> bytearray:
    """The batch with the checksum and the length of its bytes."""
    struct.pack_into(">i", content, 8, len(content) - 12)
    struct.pack_into(">I", content, 17, calc_crc32c(memoryview(content)[21:]))
    return content


def packed(content: bytearray, codec: int, payload: bytes) -> bytearray:
    """The batch with another payload that says to be compressed."""
    packed = content[:HEADER] + payload
    struct.pack_into(">h", packed, 21, codec)
    return signed(packed)


def overwritten(content: bytearray, at: int, data: bytes) -> bytearray:
    content[at : at + len(data)] = data
    return content


def read(answer: bytes, first: int = 0, limit: int = LIMIT) -> list[Message]:
    """All messages of an answer, as the fetcher takes them; the answer must end."""
    records = MemoryRecords(answer)
    parsed = Answer(
        first, AT, records, max_batch_bytes=limit, check_crcs=True, isolation_level=IsolationLevel.READ_COMMITTED
    )
    messages: list[Message] = []
    while parsed:
        messages += parsed.take(100)
    assert [message.offset for message in messages] == sorted({message.offset for message in messages})
    return messages


def seen(messages: Iterable[Message]) -> list[tuple[int, bytes | None]]:
    """Offsets and values; None for what cannot be decoded."""
    return [(message.offset, None if isinstance(message, UnreadableMessage) else message.value) for message in messages]


def details(messages: Iterable[Message]) -> list[str]:
    return [message.detail for message in messages if isinstance(message, UnreadableMessage)]


ABC = (b"a", b"b", b"c")


@pytest.mark.parametrize(
    ("damaged", "expected", "reason"),
    [
        pytest.param(batch(ABC), [(0, b"a"), (1, b"b"), (2, b"c")], None, id="nothing wrong"),
        pytest.param(
            packed(batch(ABC), 1, gzip.compress(bytes(batch(ABC)[HEADER:]))),
            [(0, b"a"), (1, b"b"), (2, b"c")],
            None,
            id="gzip",
        ),
        pytest.param(
            batch(ABC, names=lambda number: Name("x") if number == 1 else "kind"),
            [(0, b"a"), (1, None), (2, b"c")],
            "the record cannot be decoded",
            id="a header name that is not UTF-8",
        ),
        pytest.param(
            signed(overwritten(batch(ABC), HEADER + 4, b"\x7f")),
            [(0, None), (1, b"b"), (2, b"c")],
            "the record cannot be decoded",
            id="a key longer than its record",
        ),
        pytest.param(
            signed(overwritten(batch(ABC), HEADER + 4, b"\xff" * 11)),
            [(0, None), (1, b"b"), (2, b"c")],
            "the record cannot be decoded",
            id="a length without end inside a record",
        ),
        pytest.param(
            signed(overwritten(batch(ABC), HEADER, b"\xff" * 11)),
            [(0, None), (1, None), (2, None)],
            "its batch is damaged",
            id="a record without a length: those behind it cannot be singled out",
        ),
        pytest.param(
            signed(overwritten(batch(ABC), 57, struct.pack(">i", 2**31 - 1))),
            [(0, b"a"), (1, b"b"), (2, b"c")],
            None,
            id="more records declared than there are",
        ),
        pytest.param(
            overwritten(batch(ABC), HEADER + 8, b"?"),
            [(0, None), (1, None), (2, None)],
            "checksum",
            id="a flipped byte",
        ),
        pytest.param(
            overwritten(batch(ABC), 23, struct.pack(">i", 2**31 - 1)),
            [(0, None), (1, None), (2, None)],
            "checksum",
            id="a flipped byte in the number of records",
        ),
        pytest.param(
            packed(batch(ABC), 1, gzip.compress(bytes(batch(ABC)[HEADER:]))[:-9]),
            [(0, None), (1, None), (2, None)],
            "gzip: it is cut short.*inspector topics create",
            id="gzip cut short",
        ),
        pytest.param(
            packed(batch(ABC), 1, b"no gzip at all"),
            [(0, None), (1, None), (2, None)],
            "cannot be unpacked",
            id="not gzip",
        ),
        pytest.param(
            packed(batch(ABC), 1, gzip.compress(bytes(LIMIT + 1))),
            [(0, None), (1, None), (2, None)],
            f"more than {LIMIT} bytes",
            id="gzip above the limit",
        ),
        pytest.param(
            packed(batch(ABC), 1, gzip.compress(b"") * 100),
            [(0, None), (1, None), (2, None)],
            "more than 16 parts",
            id="gzip in many parts",
        ),
        *[
            pytest.param(
                packed(batch(ABC), codec, b"\x01\x02\x03"),
                [(0, None), (1, None), (2, None)],
                f"compressed with {name}.*inspector topics create",
                id=name,
            )
            for codec, name in ((2, "snappy"), (3, "lz4"), (4, "zstd"), (5, "codec 5"))
        ],
    ],
)
def test_a_damaged_batch_costs_its_own_records_only(
    damaged: bytearray, expected: list[tuple[int, bytes | None]], reason: str | None
) -> None:
    last = expected[-1][0]
    messages = read(bytes(damaged + batch([b"behind"], base=last + 1)))
    assert seen(messages) == [*expected, (last + 1, b"behind")]
    for detail in details(messages):
        assert reason is not None
        assert re.search(reason, detail)


def test_the_bytes_of_a_record_that_can_be_singled_out_go_along() -> None:
    (message,) = read(bytes(batch([b"value"], names=lambda _: Name("x"))))
    assert isinstance(message, UnreadableMessage)
    assert b"value" in message.raw
    assert (message.timestamp, message.timestamp_type) == (1_000, 0)


def test_reading_continues_in_the_middle_of_a_batch_that_cannot_be_decoded() -> None:
    assert seen(read(bytes(packed(batch(ABC), 4, b"?")), first=1)) == [(1, None), (2, None)]


def test_the_last_batch_of_an_answer_is_stepped_over_one_by_one_where_its_checksum_is_wrong() -> None:
    """Its number of records may be wrong; the next answer begins behind."""
    assert seen(read(bytes(overwritten(batch(ABC), HEADER + 8, b"?")), first=1)) == [(1, None)]


def test_a_damaged_batch_of_very_many_records_yields_one_message() -> None:
    count = MAX_UNREADABLE_PER_BATCH + 1
    (message,) = read(bytes(packed(batch([b""] * count), 4, b"?")))
    assert message.offset == count - 1
    assert f"from offset 0 on ({count} in all)" in details([message])[0]


def test_messages_of_the_old_format_are_named() -> None:
    old = LegacyRecordBatchBuilder(1, 0, 2**20)
    for offset in range(2):
        old.append(offset, 1_000, None, b"old")
    messages = read(bytes(old.build()) + bytes(batch([b"new"], base=2)))
    assert seen(messages) == [(0, None), (1, None), (2, b"new")]
    assert "newer client" in details(messages)[0]


def test_a_record_of_millions_of_headers_is_refused_before_they_are_read() -> None:
    """4 million empty headers in a record of 8 MB took 259 MB and 2.3 s."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 2**26)
    for number, num_headers in enumerate((1, 200_000, MAX_HEADERS)):
        builder.append(number, 1_000, b"key", b"v" * 20_000, [("", None)] * num_headers)
    answer = bytes(builder.build())
    tracemalloc.start()
    messages = read(answer)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen(messages) == [(0, b"v" * 20_000), (1, None), (2, b"v" * 20_000)]
    assert "200000 headers" in details(messages)[0]
    assert peak < 4 * len(answer)


def test_a_type_of_megabytes_is_cut_to_what_a_dead_letter_has_room_for() -> None:
    """Bytes that are no UTF-8 grow threefold: a dead letter above max_record_bytes would end every worker."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 2**26)
    builder.append(0, 1_000, b"key", b"v", [("inspection-type", b"\xff" * 2**20)])
    (message,) = read(bytes(builder.build()))
    assert len(record_of(message).type) == 256


def test_unpacking_never_holds_much_more_than_the_limit() -> None:
    bomb = gzip.compress(bytes(64 * 2**20))
    tracemalloc.start()
    with pytest.raises(ValueError, match="more than"):
        gunzip(bomb, LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * LIMIT


def test_no_bytes_whatever_stop_an_answer() -> None:
    rng = random.Random(5)
    whole = bytes(batch(ABC) + packed(batch(ABC, base=3), 1, gzip.compress(bytes(batch(ABC)[HEADER:]))))
    for _ in range(3_000):
        mutated = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            mutated[rng.randrange(12, len(mutated))] = rng.randrange(256)  # the broker reads offset and size itself
        if rng.random() < 0.7:
            second = len(batch(ABC))
            mutated = signed(mutated[:second]) + signed(mutated[second:])
        read(bytes(mutated))
