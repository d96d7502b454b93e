"""Says which model judges a piece: the live one of its recipe at its line, or the one on trial. Opens and runs nothing.

One thread changes the set of active models; judges take the slots once per call, so that no micro-batch sees two of them.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from inspector.inference.model import Model
from inspector.recipe.recipe import Recipe
from inspector.recipe.recipes import ANY
from streams.observation import InspectionId


class DeploymentRef(Protocol):
    """A deployment, by what tells it from others: two of the same second may have the same number."""

    @property
    def number(self) -> int: ...

    @property
    def digest(self) -> str: ...


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class DeployedModel:
    """A model and the deployment that put it there; 0 where the recipe itself names its bundle."""

    model: Model
    number: int = 0
    digest: str = ""
    """As the deployment's record has it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A model that judges some pieces in place of the live one; with neither share nor stations it judges beside it."""

    placed: DeployedModel
    share: float = 0.0
    stations: frozenset[str] = frozenset()

    @property
    def is_shadow(self) -> bool:
        return not self.share and not self.stations

    def matches(self, inspection: InspectionId) -> bool:
        """The same answer whenever, and by whomever, the piece is judged again."""
        return inspection.station in self.stations or hash_fraction(inspection) < self.share


def hash_fraction(inspection: InspectionId) -> float:
    """Where an inspection falls between 0 and 1: evenly, and for ever the same."""
    named = "\0".join((inspection.line, inspection.station, inspection.piece_id, str(inspection.pass_number)))
    return int.from_bytes(hashlib.blake2b(named.encode(), digest_size=8).digest()) / 2**64


@dataclass(frozen=True, slots=True)
class Slot:
    """What judges by one recipe at one line."""

    live: DeployedModel
    trial: Trial | None = None

    def judge_of(self, inspection: InspectionId) -> DeployedModel:
        return self.live if self.trial is None or not self.trial.matches(inspection) else self.trial.placed

    @property
    def shadow(self) -> DeployedModel | None:
        return self.trial.placed if self.trial is not None and self.trial.is_shadow else None


class DeploymentTarget(NamedTuple):
    """A recipe at a line; line `*` holds for lines that have no slot of their own."""

    line: str
    recipe: str


Slots = Mapping[DeploymentTarget, Slot]


class ActiveModels:
    """All slots. `slots` is replaced whole and never changed."""

    def __init__(self, slots: Slots) -> None:
        self.slots: Slots = dict(slots)

    @classmethod
    def from_recipes(cls, recipes: Iterable[Recipe], models: Mapping[Path, Model]) -> "ActiveModels":
        """Every recipe with the bundle that it names."""
        placed = {folder: DeployedModel(model) for folder, model in models.items()}
        return cls({DeploymentTarget(ANY, recipe.name): Slot(placed[recipe.bundle]) for recipe in recipes})

    def set(self, place: DeploymentTarget, slot: Slot) -> None:
        """Holds from the next call of a judge on. One thread only."""
        self.slots = {**self.slots, place: slot}


def slot_for(slots: Slots, line: str, recipe: str) -> Slot:
    return slots.get(DeploymentTarget(line, recipe)) or slots[DeploymentTarget(ANY, recipe)]
