"""Options of topics that do not fit are reported with the remedy."""

import pytest

from streams.kafka.settings import KafkaSettings
from streams.kafka.topics import CLEANUP, COMPRESSION, SIZE, STAMP, _option_problems

FIT = {STAMP: "LogAppendTime", SIZE: str(2**30), COMPRESSION: "uncompressed", CLEANUP: "delete"}


@pytest.mark.parametrize(
    ("policy", "num_problems"), [("compact", 0), ("delete", 1), ("compact,delete", 1), ("delete,compact", 1)]
)
def test_the_control_topic_is_compacted_and_never_deleted_from(policy: str, num_problems: int) -> None:
    """It must keep the last record of every key, forever."""
    problems = _option_problems(KafkaSettings(), "p.l1.control", FIT | {CLEANUP: policy})
    assert [f"{CLEANUP} is {policy}, must be compact alone" in problem for problem in problems] == [True] * num_problems


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        pytest.param(FIT, None, id="fits"),
        pytest.param(FIT | {STAMP: "CreateTime"}, f"{STAMP} is CreateTime, must be LogAppendTime", id="stamp"),
        pytest.param(FIT | {SIZE: "1048588"}, f"{SIZE} is 1048588, max_record_bytes needs", id="size"),
        pytest.param(
            FIT | {COMPRESSION: "producer"}, f"{COMPRESSION} is producer, must be uncompressed", id="compression"
        ),
        pytest.param({}, "its options cannot be read", id="no right to read them"),
    ],
)
def test_a_wrong_option_is_named_with_its_remedy(options: dict[str, str], problem: str | None) -> None:
    problems = _option_problems(KafkaSettings(), "p.l1.frames", options)
    assert len(problems) == (problem is not None)
    for line in problems:
        assert line.startswith(f"p.l1.frames: {problem}")
        assert "inspector topics create" in line or "DescribeConfigs" in line
