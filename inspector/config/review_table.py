"""The table [review] of a service's configuration: which pieces people look at."""

from typing import Annotated, ClassVar

from pydantic import Field

from inspector.config.tables import Seconds, Table
from inspector.review.settings import ReviewSettings

_REVIEW = ReviewSettings()
Share = Annotated[float, Field(ge=0, le=1)]


class ReviewTable(Table):
    """Which pieces people look at, and how."""

    meanings_from: ClassVar[type] = ReviewSettings

    enabled: bool = _REVIEW.enabled
    fails: bool = _REVIEW.fails
    pass_share: Share = _REVIEW.pass_share
    second_share: Share = _REVIEW.second_share
    second_after_unsure: bool = _REVIEW.second_after_unsure
    known_share: float = Field(default=_REVIEW.known_share, ge=0, le=0.5)
    known_rest_s: Seconds = _REVIEW.known_rest_s
    seed: int = Field(default=_REVIEW.seed, ge=0, lt=2**63)
    lease_s: Seconds = _REVIEW.lease_s
    publish_after_s: float = Field(default=_REVIEW.publish_after_s, ge=0, le=3600)
    undo_s: Seconds = _REVIEW.undo_s
    recordings_wait_s: Seconds = _REVIEW.recordings_wait_s
    max_age_days: float = Field(default=_REVIEW.max_age_days, gt=0, le=36_500)
    max_waiting: int = Field(default=_REVIEW.max_waiting, ge=1, le=1_000_000)

    @property
    def settings(self) -> ReviewSettings:
        return ReviewSettings(**self.model_dump())
