"""The log's time of day, whatever this machine's clock says."""

from dataclasses import dataclass

import pytest

from streams.log_clock import LogClock

SECOND_NS = 1_000_000_000
NOON_NS = 1_700_000_000 * SECOND_NS


@dataclass
class Machine:
    """Seconds since noon by the log's clock; this machine's is `ahead_s` ahead."""

    true_s: float = 0.0
    ahead_s: float = 0.0

    def monotonic_ns(self) -> int:
        return 77 * SECOND_NS + int(self.true_s * 1e9)

    def wall_ns(self) -> int:
        return NOON_NS + int((self.true_s + self.ahead_s) * 1e9)

    def clock(self, *, by_wall: bool = False) -> LogClock:
        return LogClock(by_wall=by_wall, monotonic_ns=self.monotonic_ns, wall_ns=self.wall_ns)

    def write(self, clock: LogClock, took_s: float, stamp_s: float) -> None:
        """A record sent now, answered after `took_s` and stamped `stamp_s` after noon."""
        sent_ns = clock.monotonic_ns()
        self.true_s += took_s
        clock.wrote(sent_ns, NOON_NS + int(stamp_s * 1000) * 1_000_000, clock.monotonic_ns())


def error_s(machine: Machine, now_ns: int) -> float:
    return (now_ns - NOON_NS) / 1e9 - machine.true_s


@pytest.mark.parametrize("ahead_s", [61.0, 121.0, -3600.0, 0.0])
def test_one_write_tells_the_skew(ahead_s: float) -> None:
    machine = Machine(10.0, ahead_s)
    clock = machine.clock()
    machine.write(clock, took_s=0.02, stamp_s=10.01)
    assert clock.skew_s == pytest.approx(ahead_s, abs=0.011)
    machine.true_s += 5.0
    assert error_s(machine, clock.now_ns()) == pytest.approx(0.0, abs=0.011)


def test_slow_writes_do_not_blur_what_a_quick_one_told() -> None:
    machine = Machine(10.0, 5.0)
    clock = machine.clock()
    machine.write(clock, took_s=0.004, stamp_s=10.002)
    machine.write(clock, took_s=8.0, stamp_s=10.5)
    assert clock.skew_s == pytest.approx(5.0, abs=0.01)


def test_a_clock_set_here_changes_only_the_skew() -> None:
    machine = Machine(10.0)
    clock = machine.clock()
    machine.write(clock, took_s=0.01, stamp_s=10.005)
    machine.ahead_s = 3600.0
    assert error_s(machine, clock.reached_ns()) == pytest.approx(0.0, abs=0.01)
    assert clock.skew_s == pytest.approx(3600.0, abs=0.01)


def test_a_clock_set_at_the_broker_is_followed_at_the_next_write() -> None:
    machine = Machine(10.0)
    clock = machine.clock()
    machine.write(clock, took_s=0.01, stamp_s=10.005)
    machine.write(clock, took_s=0.01, stamp_s=10.0 - 3600.0)
    assert clock.skew_s == pytest.approx(3600.0, abs=0.02)


def test_before_the_first_write_nothing_is_called_old_by_a_clock_that_may_be_wrong() -> None:
    machine = Machine(10.0, 121.0)
    clock = machine.clock()
    clock.read(NOON_NS + 9 * SECOND_NS)
    assert error_s(machine, clock.reached_ns()) == pytest.approx(-1.0)
    clock.read(NOON_NS + 3 * SECOND_NS)
    assert error_s(machine, clock.reached_ns()) == pytest.approx(-1.0)


def test_a_log_on_this_machine_is_stamped_by_its_clock() -> None:
    machine = Machine(10.0, 3600.0)
    clock = machine.clock(by_wall=True)
    clock.read(NOON_NS)
    machine.write(clock, took_s=1.0, stamp_s=10.0)
    assert (clock.now_ns(), clock.reached_ns(), clock.skew_s) == (machine.wall_ns(), machine.wall_ns(), 0.0)


def test_a_skew_is_said_once_with_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine(10.0, 61.0)
    clock = machine.clock()
    for _ in range(3):
        machine.write(clock, took_s=0.01, stamp_s=machine.true_s)
    (warning,) = caplog.messages
    assert warning.startswith("This machine's clock is 61.0 s ahead of the log's")
    assert "chrony" in warning
    machine.ahead_s = 0.0
    machine.write(clock, took_s=0.01, stamp_s=machine.true_s)
    assert "agrees with the log's again" in caplog.messages[-1]
