"""Who runs a command on this machine.

The operating system says the name. Somebody who may write to the log or the database directly does not need our
commands, and no role keeps them from it.
"""

import getpass
import platform

from inspector.access.identities import Identities
from inspector.access.principal import Principal
from inspector.access.roles import Role
from inspector.access.settings import AccessSettings
from inspector.access.sign_in import SignInError


def os_user_name() -> str:
    """Such as `lee@edge-1`."""
    return f"{getpass.getuser()}@{platform.node()}"


def command_principal(settings: AccessSettings, identities: Identities, credential: str | None) -> Principal:
    """Of the token, if one is given, else of the operating system's user, who may do at least what anybody may. Raises
    SignInError, SignInUnavailableError."""
    if credential:
        return identities.of_credential(credential)
    user, name = getpass.getuser(), os_user_name()
    if not settings.is_configured:
        return Principal(name, Role.ENGINEER, "os-user")
    role = settings.os_users.get(user, settings.anonymous_role if settings.allow_anonymous else None)
    if role is None:
        raise SignInError(
            f"the user {user!r} has no role: add it to [access.os_users], or give a token with --token-file or "
            "INSPECTOR_TOKEN"
        )
    return Principal(name, role, "os-user")
