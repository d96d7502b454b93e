"""Opens the models of a process when the first call needs one: a gateway that serves only verdicts opens none."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from threading import Event, Lock

from inspector.bundle.load import BundleError
from inspector.engines.engine import EngineError
from inspector.recipe.problems import ConfigError
from inspector.rollout.run_check import PreparationCancelledError

log = logging.getLogger("inspector.deploy")

RETRY_S = 10.0


class NotOpenError(Exception):
    """No model is open; the message says why and what to do."""


class ModelsOnDemand:
    """Any thread may call `demand`. One thread, which follows deployments, calls the rest."""

    def __init__(self, boot: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._boot, self._clock = boot, clock
        self._lock, self._is_wanted = Lock(), Event()
        self._attempt: Future[None] = Future()
        self._retry_at_s = clock()

    def demand(self, timeout_s: float) -> None:
        """Returns when the models are open. Raises NotOpenError after `timeout_s`, or when they cannot be opened."""
        with self._lock:
            attempt = self._attempt
            self._is_wanted.set()
        try:
            attempt.result(timeout_s)
        except TimeoutError:
            raise NotOpenError("the gateway is opening its models for the first time: call again shortly") from None

    def open_if_wanted(self) -> bool:
        """Whether the models are open. A failed attempt is repeated by a later call, after `RETRY_S` at the earliest.
        Raises what opening raises for which no bundle is the cause."""
        if self._attempt.done():
            return True
        if not self._is_wanted.is_set() or self._clock() < self._retry_at_s:
            return False
        log.info("A call needs a model: opening the active deployments.")
        try:
            self._boot()
        except (BundleError, ConfigError, EngineError) as exc:
            log.error(  # noqa: TRY400 - an operator's error
                "No model can be opened, and calls that need one are refused; a call after %.0f s tries again: %s",
                RETRY_S,
                exc,
            )
            self._fail(f"the gateway cannot open its models: {exc}")
            return False
        except PreparationCancelledError:
            self.close()
            return False
        self._attempt.set_result(None)
        return True

    def close(self) -> None:
        """Refuses the calls that still wait."""
        self._fail("the gateway is stopping: call another one")

    def _fail(self, message: str) -> None:
        with self._lock:
            failed, self._attempt = self._attempt, self._attempt if self._attempt.done() else Future()
            self._is_wanted.clear()
            self._retry_at_s = self._clock() + RETRY_S
        try:
            failed.set_exception(NotOpenError(message))
        except InvalidStateError:
            log.debug("The models are open already.")
