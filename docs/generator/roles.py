"""Turns the list of actions into a reference page: which role may do what, by method and by address."""

from collections import defaultdict
from collections.abc import Iterator

from starlette.routing import Route

from docs.generator.markdown import page, table
from inspector.access.roles import RULES, Role
from inspector.cli.actions import COMMAND_ACTIONS
from inspector.gateway.guard import METHOD_ACTIONS
from inspector.web.actions import OPEN, action_of
from inspector.web.app import page_routes

LEAD = (
    "Each role may do everything that the roles before it may. A caller without credentials is refused (gRPC "
    "UNAUTHENTICATED, HTTP 401), one whose role is not enough too (PERMISSION_DENIED, 403). Health of the gateway, "
    "sign-in, styles and scripts of the page are open to everybody who reaches the server."
)


def pages() -> Iterator[tuple[str, str]]:
    yield "roles.md", page("Roles", LEAD, _lines())


def _lines() -> Iterator[str]:
    used = _used()
    for role in Role:
        rows = [
            (f"`{name}`", rule.meaning, ", ".join(f"`{where}`" for where in used[name]))
            for name, rule in RULES.items()
            if rule.role is role
        ]
        yield from (
            f"## {role.word}",
            "",
            *table(("action", "what it allows", "commands, methods and addresses"), rows),
        )


def _used() -> dict[str, list[str]]:
    """Commands, methods and addresses of each action."""
    used: dict[str, list[str]] = defaultdict(list)
    for command, action in COMMAND_ACTIONS.items():
        used[action].append(f"inspector {command}")
    for method, action in METHOD_ACTIONS.items():
        used[action].append(method.rpartition("/")[2])
    for route in page_routes():
        if isinstance(route, Route):
            verbs = sorted((route.methods or set()) - {"HEAD"})
            used[action_of(route) or OPEN].append(f"{' '.join(verbs)} {route.path}")
    return used
