"""The pace of attempts, and which failures are logged."""

from inspector.verdicts.retries import Retries


def test_delays_double_up_to_the_longest_and_begin_again() -> None:
    retries = Retries(1.0, 3.0, 60.0)
    assert [retries.next_delay_s() for _ in range(4)] == [1.0, 2.0, 3.0, 3.0]
    retries.begin_again()
    assert retries.next_delay_s() == 1.0


def test_the_first_failure_is_logged_then_one_each_interval_and_the_end_once() -> None:
    now_s = [100.0]
    retries = Retries(1.0, 3.0, 60.0, lambda: now_s[0])
    assert not retries.worked()
    due = []
    for now_s[0] in (100.0, 130.0, 159.0, 160.0, 200.0):
        due.append(retries.is_due())
    assert due == [True, False, False, True, False]
    retries.begin_again()
    assert retries.worked()
    assert not retries.worked()
    assert retries.is_due()
