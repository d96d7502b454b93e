"""Models that are opened when the first call needs one, and not before."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from inspector.bundle.load import BundleError
from inspector.rollout.on_demand import RETRY_S, ModelsOnDemand, NotOpenError
from inspector.rollout.run_check import PreparationCancelledError


class Boot:
    """Counts attempts; raises `error` while there is one."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.num_attempts = error, 0

    def __call__(self) -> None:
        self.num_attempts += 1
        if self.error is not None:
            raise self.error


@contextmanager
def looking(look: Callable[[], object]) -> Iterator[None]:
    """A follower's thread."""
    stop = Event()

    def run() -> None:
        while not stop.wait(0.01):
            look()

    thread = Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_nothing_is_opened_until_a_call_needs_a_model() -> None:
    models = ModelsOnDemand(boot := Boot())
    assert not models.open_if_wanted()
    assert boot.num_attempts == 0


def test_a_call_opens_the_models_once() -> None:
    models = ModelsOnDemand(boot := Boot())
    with looking(models.open_if_wanted):
        models.demand(10.0)
        models.demand(0.0)
    assert models.open_if_wanted()
    assert boot.num_attempts == 1


def test_a_call_that_cannot_wait_is_refused_and_opens_them_all_the_same() -> None:
    models = ModelsOnDemand(boot := Boot())
    with pytest.raises(NotOpenError, match="opening its models for the first time: call again"):
        models.demand(0.0)
    assert models.open_if_wanted()
    models.demand(0.0)
    assert boot.num_attempts == 1


def test_a_failed_attempt_is_reported_and_repeated_for_a_later_call() -> None:
    now_s = [0.0]
    models = ModelsOnDemand(boot := Boot(BundleError("bundle.json: cannot be read")), lambda: now_s[0])
    with looking(models.open_if_wanted), pytest.raises(NotOpenError, match=r"bundle\.json: cannot be read"):
        models.demand(10.0)
    boot.error = None
    with pytest.raises(NotOpenError):
        models.demand(0.0)
    assert not models.open_if_wanted(), "too early"
    now_s[0] = RETRY_S
    assert models.open_if_wanted()
    models.demand(0.0)
    assert boot.num_attempts == 2


def test_a_stop_refuses_the_calls_that_wait() -> None:
    models = ModelsOnDemand(Boot(PreparationCancelledError()))
    with looking(models.open_if_wanted), pytest.raises(NotOpenError, match="is stopping"):
        models.demand(10.0)


def test_closing_leaves_open_models_open() -> None:
    models = ModelsOnDemand(Boot())
    with looking(models.open_if_wanted):
        models.demand(10.0)
    models.close()
    models.demand(0.0)
