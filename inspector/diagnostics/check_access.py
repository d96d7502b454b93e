"""Finds settings of sign-in, audit and object stores with which a service would not start or not keep anything."""

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

from inspector.access.roles import Role
from inspector.access.settings import AccessSettings
from inspector.access.tokens import TokenFile, TokenFileError
from inspector.config.service import Service
from inspector.recipe.problems import Problem
from streams.references.addresses import install_hint, missing_package, shown


def access_problems(service: Service) -> Iterator[Problem]:
    """Of the token file, the audit folder and the object stores."""
    yield from _token_problems(service)
    yield from _audit_problems(service)
    yield from store_problems(service)


def access_lines(service: Service) -> Iterator[str]:
    """Whether anybody may change the line, and who cannot be found here."""
    access = service.access
    if not access.is_configured:
        yield "access: everybody on this machine may do everything; nobody else reaches the service"
    elif not _has_engineer(access):
        yield (
            "access: WARNING: nobody is engineer, so nobody can deploy, roll back or add tokens but the owner of the "
            "token file: inspector access token add NAME engineer"
        )


def store_problems(service: Service) -> Iterator[Problem]:
    """Object stores whose package is not installed."""
    config = service.config
    places = {"access.audit.heads_to": service.access.audit.heads_to}
    if config.recordings.enabled:
        places["recordings.store"] = config.recordings.store
    for key, place in places.items():
        if package := missing_package(place):
            expectation = f"needs the package {package}, which is not installed"
            yield Problem(service.path, key, shown(place), expectation, install_hint(package))


def _token_problems(service: Service) -> Iterator[Problem]:
    if (file := service.access.token_file) is None:
        return
    try:
        TokenFile(file).tokens()
    except TokenFileError as exc:
        expectation, _, remedy = str(exc).partition(": ")
        yield Problem(service.path, "access.token_file", str(file), expectation, remedy)


def _audit_problems(service: Service) -> Iterator[Problem]:
    """A service makes the folder, so the nearest one that exists counts. Leaves nothing there."""
    folder = service.access.audit.folder
    place = next(each for each in (folder, *folder.parents) if each.exists())
    try:
        with TemporaryFile(dir=place):
            pass
    except OSError as exc:
        why = f"cannot be written ({place}: {exc.strerror}), and an act that cannot be recorded does not happen"
        remedy = "correct the path or the rights, or check as the service's user"
        yield Problem(service.path, "access.audit.folder", str(folder), why, remedy)


def _has_engineer(access: AccessSettings) -> bool:
    groups = {} if access.oidc is None else access.oidc.groups
    given = {*access.certificates.values(), *access.os_users.values(), *groups.values()}
    if access.allow_anonymous:
        given.add(access.anonymous_role)
    return Role.ENGINEER in given or _has_engineer_token(access.token_file)


def _has_engineer_token(file: Path | None) -> bool:
    """True for a file that cannot be read, which is a problem of its own."""
    if file is None:
        return False
    try:
        tokens = TokenFile(file).tokens()
    except TokenFileError:
        return True
    now_ns = time.time_ns()
    return any(token.role is Role.ENGINEER and token.state(now_ns) == "valid" for token in tokens)
