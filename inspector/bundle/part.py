"""The base of all models of `bundle.json`, and the form of its names."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*$", max_length=48)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
