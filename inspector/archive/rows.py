"""The filters and the answers of the archive."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PieceFilter:
    """Which pieces; None lets all through. Times are of `entry_ns`: from `since_ns` on, before `until_ns`."""

    line: str | None = None
    station: str | None = None
    product: str | None = None
    lot: str | None = None
    piece_id: str | None = None
    decisions: Sequence[int] = ()
    """Values of `Decision`; empty lets all through."""
    defect_class: str | None = None
    min_score: float | None = None
    max_score: float | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    bundle_digest: str | None = None
    """The first 12 hex digits, as in verdicts."""


@dataclass(frozen=True, slots=True)
class PieceRow:
    """One verdict, with the fields that tables and charts show."""

    key: int
    """Names this verdict for as long as the database exists."""
    line: str
    station: str
    piece_id: str
    pass_number: int
    product: str
    lot: str
    decision: int
    reason: int
    defect_class: str
    """The likeliest class of a piece that did not pass, or empty."""
    score: float | None
    bundle: str
    bundle_digest: str
    deployment: int
    route: str
    cost_ms: float
    deadline_missed: bool
    entry_ns: int
    capture_ns: int
    decision_ns: int
    append_ns: int
    pass_below: float | None
    fail_above: float | None


@dataclass(frozen=True, slots=True)
class KeptRecording:
    """A recording that a piece was judged on."""

    source: str
    """Camera or sensor."""
    sequence: int
    """Counts the frames of one camera from 0."""
    kind: str
    """Modality: image, audio, vibration or trace."""
    sha256: str | None
    """Names the file in the object store; None where it could not be kept, or is kept no longer."""
    format: str
    """Form of the file: png, flac or npy; empty without a file."""
    num_bytes: int
    stored_ns: int
    absent: str
    """Why there is no file; empty where there is one."""
    detail: str
    """What reading it again needs, as a JSON object."""


@dataclass(frozen=True, slots=True)
class KeptFeedback:
    """A person's finding about a piece."""

    label: int
    """Value of `Label`."""
    defects: tuple[str, ...]
    author: str
    note: str
    given_ns: int
    append_ns: int
    author_proof: str = ""
    """How the author's name was proven; empty: not at all."""

    @property
    def person(self) -> tuple[str, str]:
        """Who it was: one name that was proven in two ways may be two people."""
        return self.author_proof, self.author


@dataclass(frozen=True, slots=True)
class MadeWhere:
    """A station that has made pieces of a product."""

    line: str
    station: str
    product: str
    first_ns: int
    last_ns: int
