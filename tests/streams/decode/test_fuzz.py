"""A small slice of the fuzz run: every damaged record is an item or one dead letter, within its bounds."""

import pytest

from protos.inspection.v1.records_pb2 import DeadLetterReason
from tests.benchmarks import fuzz_records
from tests.benchmarks.fuzz_records import Block, run_block
from tests.benchmarks.mutations import damaged


def test_damaged_records_stay_within_their_bounds() -> None:
    block = run_block(seed=11, start=0, count=2_500)
    assert block.violations() == []
    assert block.num_records == block.outcomes.total() == 2_500
    assert set(block.outcomes) >= {"Frame", "Chunk", "Trace", "Event", "BAD_IMAGE", "TOO_LARGE", "BAD_SAMPLES"}
    assert set(block.outcomes) - {"Frame", "Chunk", "Trace", "Event"} <= {
        name.removeprefix("DEAD_LETTER_REASON_") for name in dict(DeadLetterReason.items())
    }


def test_a_record_is_found_again_by_its_number() -> None:
    assert damaged(3, 77) == damaged(3, 77) != damaged(4, 77)


@pytest.mark.parametrize(
    "block",
    [
        Block(worst_cpu_ms=fuzz_records.MAX_CPU_MS + 1),
        Block(peak_mib=fuzz_records.MAX_PEAK_MIB + 1),
        Block(kept_mib=fuzz_records.MAX_KEPT_MIB + 1),
        Block(stderr_bytes=1),
        Block(faults=["record 1 raises"]),
    ],
)
def test_what_is_past_a_bound_is_said(block: Block) -> None:
    total = Block()
    total.add(block)
    assert len(total.violations()) == 1
