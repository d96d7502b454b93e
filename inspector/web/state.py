"""The shared parts of the pages: one `Floor`, at `request.app.state.floor`."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from starlette.requests import Request

from inspector.access.audit.protocol import Audit, NoAudit
from inspector.alerts.desk import AlertDesk
from inspector.archive.chart_figures import ChartFigures
from inspector.archive.find import Archive
from inspector.recipe.recipes import Recipes
from inspector.web.access import PageAccess, open_access
from inspector.web.feedback import FeedbackDesk
from inspector.web.hub import Hub
from inspector.web.kept_recordings import KeptRecordings
from inspector.web.media import Media
from inspector.web.metrics import WebMetrics
from inspector.web.review_pieces import ReviewPieces
from inspector.web.settings import WebSettings
from inspector.web.stream_places import StreamPlaces
from streams.log import Log


@dataclass(frozen=True, slots=True)
class Floor:
    """The parts that the pages read from and write to."""

    settings: WebSettings
    prefix: str
    """First part of every topic's name."""
    lines: tuple[str, ...]
    recipes: Recipes
    log: Log
    hub: Hub
    """News for the browsers: `hub.post(kind, data)` shows a state to all of them."""
    metrics: WebMetrics
    places: StreamPlaces
    media: Media
    archive: Archive | None = None
    """None where the database cannot be opened."""
    chart_figures: ChartFigures | None = None
    kept_media: Media | None = None
    """Pictures and sounds of stored pieces; None where only the log has them."""
    recordings: KeptRecordings | None = None
    """The same recordings, bit for bit."""
    feedback: FeedbackDesk | None = None
    review: ReviewPieces | None = None
    """None where no recordings are kept: people would have nothing to look at."""
    alerts: AlertDesk | None = None
    """None where no alerts are raised."""
    registry: CollectorRegistry | None = None
    """What `/metrics` shows."""
    access: PageAccess = field(default_factory=open_access)
    """Who may do what."""
    audit: Audit = field(default_factory=NoAudit)
    """Keeps a record of every act that changes something."""


def floor_of(request: Request) -> Floor:
    floor = request.app.state.floor
    assert isinstance(floor, Floor), "set by create_app"  # noqa: S101
    return floor
