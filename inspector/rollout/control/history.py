"""Says of every deployment what became of it. Opens nothing."""

from typing import NamedTuple

from inspector.judging.active_models import DeploymentTarget
from inspector.rollout.control.records import MODES, ControlTable
from protos.inspection.v1.control_pb2 import Active, Deployment, DeploymentMode

LIVE = DeploymentMode.DEPLOYMENT_MODE_LIVE


class Row(NamedTuple):
    """One deployment at one line."""

    line: str
    deployment: Deployment
    state: str


def rows_of(table: ControlTable) -> list[Row]:
    """Oldest first, line by line."""
    back = {(line, own.rolls_back): number for (line, number), own in table.deployments.items() if own.rolls_back}
    return [
        Row(line, found, _state(table, line, found, back.get((line, number))))
        for (line, number), found in sorted(table.deployments.items())
    ]


def _state(table: ControlTable, line: str, found: Deployment, taken_back_by: int | None) -> str:
    active = table.active.get(DeploymentTarget(line, found.recipe), Active())
    if found.withdrawn:
        return f"withdrawn: {found.withdrawn}"
    if found.rolls_back and _is_trial(table, line, found.rolls_back):
        return "done"
    if found.number in (active.live.number, active.trial.number):
        return f"{MODES.get(found.mode, '?')} now"
    if taken_back_by is not None:
        return f"taken back by {taken_back_by}"
    return "ended" if found.mode != LIVE else "replaced"


def _is_trial(table: ControlTable, line: str, number: int) -> bool:
    return table.deployments.get((line, number), Deployment(mode=LIVE)).mode != LIVE
