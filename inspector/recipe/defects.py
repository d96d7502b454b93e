"""What a recipe says about single defect classes: the tables `[defects.NAME]`.

A rule makes REVIEW of PASS, or REVIEW of FAIL, and never PASS of anything: so whatever is promised about defective
pieces that pass, and about good pieces that fail, holds with every rule.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inspector.bundle.expected import likely
from inspector.bundle.schema import Bundle
from inspector.recipe.problems import Problem

Severity = Literal["critical", "major", "minor"]
ClassName = Annotated[str, Field(min_length=1, max_length=128)]


class DefectRule(BaseModel):
    """How one defect class is judged."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    never_pass_above: float | None = Field(default=None, ge=0, le=1)
    """A piece that would PASS goes to REVIEW if this class is likelier; None: no limit."""
    decision: Literal["review"] | None = None
    """`review`: a piece that would FAIL goes to REVIEW if it shows this class and no other, such as a stain that a
    person may accept."""
    severity: Severity | None = None
    """Stands in the verdict, and alerts can ask for it: `critical`, `major` or `minor`."""

    @model_validator(mode="after")
    def _critical_fails(self) -> Self:
        if self.severity == "critical" and self.decision == "review":
            raise ValueError('is critical, and decision = "review" would let a person accept it; remove one of them')
        return self


DefectRules = Mapping[ClassName, DefectRule]


def unknown_classes(recipe: str, rules: Mapping[str, DefectRule], bundle: Bundle) -> Iterator[Problem]:
    """Rules about classes that the bundle does not have."""
    for name in rules:
        if name not in bundle.classes:
            known = ", ".join(bundle.classes) or "none"
            expectation = f"bundle {bundle.name!r} has no such class (it has {known})"
            remedy = likely(name, bundle.classes) or "correct the name, or remove the table"
            yield Problem(Path(f"recipe {recipe}"), f"defects.{name}", "", expectation, remedy)
