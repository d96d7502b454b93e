"""Lists all deployments with their outcome."""

from typing import NamedTuple

from inspector.judging.active_models import DeploymentTarget
from inspector.rollout.control.records import MODES, ControlTable
from protos.inspection.v1.control_pb2 import ActiveDeployment, Deployment, DeploymentMode

LIVE = DeploymentMode.DEPLOYMENT_MODE_LIVE


class Row(NamedTuple):
    """One deployment at one line."""

    line: str
    deployment: Deployment
    state: str


def rows_of(table: ControlTable) -> list[Row]:
    """Oldest first, line by line."""
    rolled_back_by = {
        (line, deployment.rolls_back): number
        for (line, number), deployment in table.deployments.items()
        if deployment.rolls_back
    }
    return [
        Row(line, deployment, _state(table, line, deployment, rolled_back_by.get((line, number))))
        for (line, number), deployment in sorted(table.deployments.items())
    ]


def _state(table: ControlTable, line: str, deployment: Deployment, rolled_back_by: int | None) -> str:
    active = table.active.get(DeploymentTarget(line, deployment.recipe), ActiveDeployment())
    if deployment.cancelled_reason:
        return f"withdrawn: {deployment.cancelled_reason}"
    if deployment.rolls_back and _is_trial(table, line, deployment.rolls_back):
        return "done"
    if deployment.number in (active.live.number, active.candidate.number):
        return f"{MODES.get(deployment.mode, '?')} now"
    if rolled_back_by is not None:
        return f"rolled back by {rolled_back_by}"
    return "ended" if deployment.mode != LIVE else "replaced"


def _is_trial(table: ControlTable, line: str, number: int) -> bool:
    return table.deployments.get((line, number), Deployment(mode=LIVE)).mode != LIVE
