"""Says who calls a method of the gateway, and whether they may."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Protocol

import grpc

from inspector.access.audit.protocol import Audit, AuditError
from inspector.access.exposure import is_loopback
from inspector.access.failures import Failures
from inspector.access.identities import Identities, check_setup, provider_of
from inspector.access.principal import AccessDeniedError, Principal, require
from inspector.access.sign_in import SignInError, SignInUnavailableError
from inspector.gateway.callers import Caller
from inspector.gateway.places import Places
from inspector.gateway.refusal import StatusError, exhausted, unavailable
from inspector.gateway.settings import GatewaySettings

log = logging.getLogger("inspector.gateway.guard")

_SERVICE = "/inspection.v1.InspectionService"
METHOD_ACTIONS: Mapping[str, str] = {
    f"{_SERVICE}/Inspect": "verdicts.inspect",
    f"{_SERVICE}/WatchVerdicts": "verdicts.watch",
    f"{_SERVICE}/GetVerdict": "verdicts.find",
    f"{_SERVICE}/SubmitFeedback": "feedback.give",
    f"{_SERVICE}/GetModel": "model.see",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": "service.reflect",
}
"""Nobody may call a method that is missing here, except health, which is open."""
OPEN_SERVICE = "/grpc.health.v1.Health"
NUM_THREADS = 2
_calling: ContextVar[Principal] = ContextVar("calling")


def calling() -> Principal:
    """Who makes the call that is being answered."""
    return _calling.get()


class CallContext(Protocol):
    """The part of a call's context that shows credentials."""

    def auth_context(self) -> Mapping[str, Iterable[bytes]]: ...

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]] | None: ...


class Guard:
    """Of one gateway. Use in its event loop."""

    def __init__(self, settings: GatewaySettings, audit: Audit) -> None:
        """Raises AccessSetupError."""
        check_setup(settings.access)
        bearer, _ = provider_of(settings.access.oidc)
        self._identities = Identities(settings.access, only_this_machine=is_loopback(settings.listen), bearer=bearer)
        self._failures = Failures(settings.access.rates, audit)
        self._places = Places("calls whose credentials are checked", settings.max_sign_ins)
        self._threads = ThreadPoolExecutor(NUM_THREADS, "gateway-sign-in")

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def admit(self, method: str, caller: Caller, context: CallContext) -> None:
        """Sets `calling()` for the rest of this call. Raises StatusError: UNAUTHENTICATED, PERMISSION_DENIED, or
        UNAVAILABLE where credentials cannot be checked."""
        if method.rpartition("/")[0] == OPEN_SERVICE:
            return
        principal = await self._principal(caller, context)
        action = METHOD_ACTIONS.get(method)
        if action is None:
            raise StatusError(grpc.StatusCode.PERMISSION_DENIED, f"{method} is open to nobody")
        try:
            require(principal, action)
        except AccessDeniedError as denied:
            raise StatusError(grpc.StatusCode.PERMISSION_DENIED, str(denied)) from denied
        _calling.set(principal)

    async def _principal(self, caller: Caller, context: CallContext) -> Principal:
        try:
            credential = _bearer(context)
            if credential is None:
                names = tuple(_names(context))
                return self._identities.of_certificate(names) or self._identities.without_credentials()
            return await self._of_credential(credential, caller)
        except SignInError as error:
            raise StatusError(grpc.StatusCode.UNAUTHENTICATED, str(error)) from error
        except SignInUnavailableError as error:
            raise unavailable(str(error)) from error

    async def _of_credential(self, credential: str, caller: Caller) -> Principal:
        wait_s = self._failures.wait_s(caller.host)
        if wait_s > 0:
            raise exhausted(f"sign-in failed too often from here: try again in {wait_s:.0f} s")
        loop = asyncio.get_running_loop()
        async with self._places.place(caller):
            try:
                return await loop.run_in_executor(self._threads, self._identities.of_credential, credential)
            except SignInError as error:
                if (write := self._failures.note(caller.host, str(error))) is not None:
                    loop.run_in_executor(self._threads, _recorded, write)
                raise


def _recorded(write: Callable[[], object]) -> None:
    """A failed sign-in is refused anyway."""
    try:
        write()
    except AuditError as exc:
        log.warning("A failed sign-in was not recorded: %s.", exc)


def _bearer(context: CallContext) -> str | None:
    """The token of `authorization: Bearer TOKEN`."""
    for name, value in context.invocation_metadata() or ():
        if name == "authorization" and isinstance(value, str):
            kind, _, token = value.partition(" ")
            return token.strip() if kind.lower() == "bearer" else None
    return None


def _names(context: CallContext) -> Iterable[str]:
    """Common names in the client's certificate, which TLS has verified."""
    return (name.decode(errors="replace") for name in context.auth_context().get("x509_common_name") or ())
