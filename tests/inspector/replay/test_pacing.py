"""Publishing in time, on a clock that is passed in."""

from collections.abc import Sequence

from inspector.replay.faults import Scheduled
from inspector.replay.pacing import Clock, publish_paced
from streams.records import Output

START_NS = 1_000_000_000_000


class FakeTime:
    def __init__(self) -> None:
        self.now_s = 50.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds

    def clock(self) -> Clock:
        return Clock(self.monotonic, self.sleep, lambda: START_NS)


class Shelf:
    """A publisher that notes when it was handed what."""

    def __init__(self, time: FakeTime, cost_s: float = 0.0) -> None:
        self.time, self.cost_s = time, cost_s
        self.taken: list[tuple[float, bytes]] = []
        self.flushed = False

    def publish(self, outputs: Sequence[Output]) -> None:
        self.taken.extend((self.time.now_s - 50.0, output.value) for output in outputs)
        self.time.now_s += self.cost_s

    def flush(self) -> None:
        self.flushed = True

    def close(self) -> None: ...


def scheduled(*ms: int) -> list[Scheduled]:
    return [
        Scheduled(START_NS + m * 1_000_000, n, Output("t", None, b"k", b"%d" % m, "inspection.v1.X"))
        for n, m in enumerate(ms)
    ]


def test_records_go_out_at_their_moments_and_all_are_flushed() -> None:
    time = FakeTime()
    shelf = Shelf(time)
    done = publish_paced(scheduled(0, 100, 100, 250), shelf, time.clock())
    assert [(round(at, 3), value) for at, value in shelf.taken] == [
        (0.0, b"0"),
        (0.1, b"100"),
        (0.1, b"100"),
        (0.25, b"250"),
    ]
    assert shelf.flushed
    assert (done.records, done.by_type, done.behind_s) == (4, {"inspection.v1.X": 4}, 0.0)


def test_a_slow_log_is_shown_as_time_behind() -> None:
    time = FakeTime()
    done = publish_paced(scheduled(0, 10, 20), Shelf(time, cost_s=0.5), time.clock())
    assert done.behind_s > 0.4


def test_many_due_records_are_handed_over_in_portions() -> None:
    time = FakeTime()
    shelf = Shelf(time)
    seen: list[Output] = []
    done = publish_paced(scheduled(*[0] * 200), shelf, time.clock(), seen.append)
    assert done.records == len(seen) == len(shelf.taken) == 200
