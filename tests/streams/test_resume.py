"""The memo beside a committed offset."""

import pytest

from streams.resume import MAX_MEMO_BYTES, Memo, MemoError, has_room_for


@pytest.mark.parametrize(
    "memo",
    [
        Memo(0),
        Memo(7, verdicts=0, dead_letters=0),
        Memo(7, starts=3),
        Memo(2**62, verdicts=2**62, dead_letters=12, clocks_ms={"st-1": 1_700_000_000_000, "st.2": 5}),
    ],
)
def test_what_is_encoded_is_decoded(memo: Memo) -> None:
    assert Memo.decode(memo.encode(), offset=3) == memo


def test_an_empty_memo_reads_on_from_the_offset() -> None:
    assert Memo.decode("", offset=41) == Memo(read=41)


def test_a_field_of_a_later_version_is_passed_over() -> None:
    assert Memo.decode('{"read": 4, "colour": "blue"}', offset=4) == Memo(read=4)


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
        '{"read": 1, "clocks_ms": {"a": 1.5}}',
    ],
)
def test_a_foreign_memo_is_refused_with_its_offset(text: str) -> None:
    with pytest.raises(MemoError, match="offset 9"):
        Memo.decode(text, offset=9)


def test_32_stations_of_48_bytes_fit() -> None:
    clocks = {f"{index:048d}": 4_000_000_000_000 for index in range(32)}
    assert len(Memo(2**62, 2**62, 2**62, clocks, 99).encode()) <= MAX_MEMO_BYTES


def test_as_many_stations_as_have_room_fit() -> None:
    """With everything else at its longest."""
    names = [f"{index:048d}" for index in range(64)]
    fitting = next(number for number in range(64, 0, -1) if has_room_for(names[:number]))
    clocks = dict.fromkeys(names[:fitting], 9_999_999_999_999)
    assert len(Memo(2**62, 2**62, 2**62, clocks, 10**6).encode()) <= MAX_MEMO_BYTES
    assert fitting >= 56


def test_an_owner_counts_where_there_is_something_to_read() -> None:
    assert Memo(7).begun(8).begun(8) == Memo(7, starts=2)
    assert Memo(7).begun(7) == Memo(7)


def test_a_memo_too_large_for_the_offset_is_refused() -> None:
    clocks = {f"{index:048d}": 4_000_000_000_000 for index in range(64)}
    with pytest.raises(MemoError, match=r"64 stations.*more partitions"):
        Memo(1, 2, 3, clocks).encode()
