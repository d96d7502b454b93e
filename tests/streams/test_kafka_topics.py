"""What the control topic is set to must keep the last record of every key, for ever."""

import pytest

from streams.kafka.settings import KafkaSettings
from streams.kafka.topics import CLEANUP, SIZE, STAMP, _option_problems


@pytest.mark.parametrize(
    ("policy", "num_problems"), [("compact", 0), ("delete", 1), ("compact,delete", 1), ("delete,compact", 1)]
)
def test_the_control_topic_is_compacted_and_never_deleted_from(policy: str, num_problems: int) -> None:
    options = {STAMP: "LogAppendTime", SIZE: str(2**30), CLEANUP: policy}
    problems = _option_problems(KafkaSettings(), "p.l1.control", options)
    assert [f"{CLEANUP} is {policy}, must be compact alone" in each for each in problems] == [True] * num_problems
