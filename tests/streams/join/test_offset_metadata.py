"""The memo of a committed offset."""

import pytest

from streams.join.offset_metadata import MAX_MEMO_BYTES, MemoError, OffsetMetadata, has_room_for


@pytest.mark.parametrize(
    "memo",
    [
        OffsetMetadata(0),
        OffsetMetadata(7, verdicts=0, dead_letters=0),
        OffsetMetadata(7, starts=3, unsettled=2, judging=((4_000_000_000, 1), (5, 0))),
        OffsetMetadata(2**62, verdicts=2**62, dead_letters=12, clocks_ms={"st-1": 1_700_000_000_000, "st.2": 5}),
        OffsetMetadata(7, verdicts=0, dead_letters=0, forgotten_ms=1_700_000_000_000),
    ],
)
def test_what_is_encoded_is_decoded(memo: OffsetMetadata) -> None:
    assert OffsetMetadata.decode(memo.encode(), offset=3) == memo


def test_an_empty_memo_reads_on_from_the_offset() -> None:
    assert OffsetMetadata.decode("", offset=41) == OffsetMetadata(read=41)


def test_a_field_of_a_later_version_is_passed_over() -> None:
    assert OffsetMetadata.decode('{"read": 4, "colour": "blue"}', offset=4) == OffsetMetadata(read=4)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "[]",
        "{}",
        '{"read": -1}',
        '{"read": true}',
        '{"read": 1, "verdicts": "2"}',
        '{"read": 1, "dead_letters": -2}',
        '{"read": 1, "clocks_ms": [1]}',
        '{"read": 1, "starts": -1}',
        '{"read": 1, "verdicts": 9223372036854775808}',
        pytest.param("[" * MAX_MEMO_BYTES, id="nested deep"),
        '{"read": 1, "judging": [1]}',
        '{"read": 1, "judging": [[1, -1]]}',
        '{"read": 1, "clocks_ms": {"a": 1.5}}',
        '{"read": 1, "clocks_ms": {"a": -1}}',
        '{"read": 1, "clocks_ms": {"a": 9223372036854775807}}',
        '{"read": 1, "clocks_ms": {"a b": 1}}',
        '{"read": 1, "forgotten_ms": -1}',
    ],
)
def test_a_foreign_memo_is_refused_with_its_offset(text: str) -> None:
    with pytest.raises(MemoError, match="offset 9"):
        OffsetMetadata.decode(text, offset=9)


def test_what_there_is_room_for_fits_next_to_the_largest_numbers_and_a_field_of_a_later_version() -> None:
    clocks: dict[str, int] = {}
    while has_room_for((*clocks, name := f"{len(clocks):048d}")):
        clocks[name] = 4_000_000_000_000
    assert len(clocks) == 57
    assert len(OffsetMetadata(2**62, 2**62, 2**62, clocks, 2**62).encode()) <= MAX_MEMO_BYTES - 200
    whole = OffsetMetadata(2**62, 2**62, 2**62, clocks, 2**62, 1000, 1000, ((2**32 - 1, 99),) * 9)
    assert len(whole.encode()) <= MAX_MEMO_BYTES - 50


def test_an_owner_counts_where_there_is_something_to_read() -> None:
    assert OffsetMetadata(7).begun(7, 8).begun(7, 8) == OffsetMetadata(7, starts=2)
    assert OffsetMetadata(7).begun(7, 7) == OffsetMetadata(7)
    assert OffsetMetadata(7).begun(6, 7) == OffsetMetadata(7, unsettled=1)


def test_a_memo_too_large_for_the_offset_is_refused() -> None:
    clocks = {f"{index:048d}": 4_000_000_000_000 for index in range(64)}
    with pytest.raises(MemoError, match=r"64 stations.*more partitions"):
        OffsetMetadata(1, 2, 3, clocks).encode()
