"""How long a commit waits for further verdicts follows from how long the last one took."""

from contextlib import closing

import pytest

from inspector.worker.settings import PipelineSettings
from streams.embedded import EmbeddedLog
from tests.line import build, ends

SETTINGS = PipelineSettings(commit_delay_s=0.02, max_commit_delay_s=0.1)


@pytest.mark.parametrize(("last_s", "delay_s"), [(0.0, 0.02), (0.01, 0.02), (0.03, 0.06), (2.0, 0.1)])
def test_slow_commits_wait_longer_up_to_the_limit(log: EmbeddedLog, last_s: float, delay_s: float) -> None:
    source, sink = ends(log)
    with closing(source), closing(sink):
        pipeline, _ = build(source, sink, pipeline=SETTINGS)
        pipeline._last_commit_s = last_s
        assert pipeline._delay_s == pytest.approx(delay_s)


def test_a_longer_delay_of_the_configuration_holds(log: EmbeddedLog) -> None:
    source, sink = ends(log)
    with closing(source), closing(sink):
        pipeline, _ = build(source, sink, pipeline=PipelineSettings(commit_delay_s=0.5))
        pipeline._last_commit_s = 2.0
        assert pipeline._delay_s == pytest.approx(0.5)
