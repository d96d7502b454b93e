"""Finds recordings that equal an earlier one of the same camera or sensor. Keeps digests, no recordings.

A live source never repeats its noise, so a repeated recording comes from a frozen source or a cycling buffer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar
from zlib import crc32

from streams.join.content import DIGEST_BYTES, Recording, digest, is_distinctive
from streams.observation import Clip, MissingReason, Observation, State

KEPT_PIECES = 4
KEPT_RECORDINGS = 16
"""A recording is compared with this many earlier recordings or with those of this many pieces, whichever is more: a
frozen driver may return all its buffers in turn."""
CONTENT_BYTES = DIGEST_BYTES + 4
"""Digest, then the time of a signal, since one recording may belong to several pieces. An image has no time."""
_NO_TIME = bytes(4)
Contents = Mapping[str, Sequence[bytes]]
"""By source, the digests and times of its recordings, oldest first."""
OF_CHUNKS = "/chunks"
"""Suffix of a sensor's name for the digests of its chunks. No name contains a slash."""
Kept = TypeVar("Kept")


class KnownRecording(NamedTuple):
    """An earlier recording and its piece; the piece is empty if a predecessor judged it."""

    content: bytes
    piece: str


@dataclass(slots=True)
class History:
    """The last recordings of one source, oldest first."""

    known: list[KnownRecording]
    num_equal: int = 1
    """Pieces in a row without a new recording."""


class FrozenDetector:
    """The recordings of one station's sources, in the order in which its pieces close. Ignores pieces without
    recordings."""

    def __init__(self, settled: Contents) -> None:
        """`settled`: digests from a predecessor."""
        self._settled = {source: list(contents) for source, contents in settled.items()}
        self._histories = {
            source: History([KnownRecording(content, "") for content in contents])
            for source, contents in settled.items()
        }

    @property
    def settled(self) -> Contents:
        """For a successor: the digests of pieces whose verdict is published."""
        return self._settled

    def settle(self, contents: Contents) -> None:
        """Keeps the digests of a piece whose verdict is in the next commit."""
        for source, added in contents.items():
            self._settled[source] = _newest([*self._settled.get(source, ()), *added], len(added))

    def mark(self, observation: Observation, may_repeat: frozenset[str]) -> tuple[Observation, Contents]:
        """The observation with repeating sources marked implausible, and the digests of its recordings."""
        views, clips = dict(observation.views), dict(observation.clips)
        contents = {name: [digest(image) + _NO_TIME for image in view.images] for name, view in views.items()}
        contents |= {name: _content(clip) for name, clip in clips.items()}
        piece = observation.inspection.piece_id
        for name, view in observation.views.items():
            detail = self._equals("image", name, view.images, contents[name], piece)
            if detail and view.state is State.PRESENT and name not in may_repeat:
                views[name] = replace(view, state=State.IMPLAUSIBLE, absence=MissingReason.FROZEN, detail=detail)
        for name, clip in observation.clips.items():
            samples = () if clip.samples is None else (clip.samples,)
            detail = self._equals("recording", name, samples, contents[name], piece)
            if detail and clip.state is State.PRESENT and name not in may_repeat:
                clips[name] = replace(clip, state=State.IMPLAUSIBLE, absence=MissingReason.FROZEN, detail=detail)
        return replace(observation, views=views, clips=clips), {
            name: digests for name, digests in contents.items() if digests
        }

    def _equals(
        self, what: str, source: str, recordings: Sequence[Recording], contents: list[bytes], piece: str
    ) -> str:
        """Adds the recordings of a source for a piece; describes the earlier recording that one equals, if any."""
        if not recordings:
            return ""
        history = self._histories.setdefault(source, History([]))
        known, equal = list(history.known), None
        for recording, content in zip(recordings, contents, strict=True):
            earlier = next((old for old in reversed(known) if _repeats(content, old.content)), None)
            equal = earlier if earlier is not None and is_distinctive(recording) else equal
            known.append(KnownRecording(content, piece))
        history.known = _newest(known, len(contents))
        history.num_equal = 1 if equal is None else history.num_equal + 1
        return "" if equal is None else _sentence(what, equal.piece, piece, history.num_equal)


def joined(pieces: Contents, chunks: Contents) -> Contents:
    """Merges the digests of pieces and of chunks into one mapping."""
    return {**pieces, **{sensor + OF_CHUNKS: contents for sensor, contents in chunks.items() if contents}}


def split(contents: Contents) -> tuple[Contents, Contents]:
    """Reverses `joined`."""
    pieces = {source: digests for source, digests in contents.items() if not source.endswith(OF_CHUNKS)}
    chunks = {source.removesuffix(OF_CHUNKS): digests for source, digests in contents.items() if source not in pieces}
    return pieces, chunks


def _content(clip: Clip) -> list[bytes]:
    if clip.samples is None:
        return []
    return [digest(clip.samples) + crc32(clip.first_ns.to_bytes(16, "big", signed=True)).to_bytes(4, "big")]


def _repeats(content: bytes, earlier: bytes) -> bool:
    """Same content at another time. The same signal at the same time is no repeat: neighbouring pieces may share it."""
    is_equal = content[:DIGEST_BYTES] == earlier[:DIGEST_BYTES]
    return is_equal and (content != earlier or content.endswith(_NO_TIME))


def _newest(recordings: list[Kept], per_piece: int) -> list[Kept]:
    return recordings[-max(KEPT_RECORDINGS, KEPT_PIECES * per_piece) :]


def _sentence(what: str, earlier: str, piece: str, num_equal: int) -> str:
    if earlier == piece:
        which = "another one of this piece"
    else:
        which = f"that of piece {earlier!r}" if earlier else "that of an earlier piece"
    count = f", {num_equal} pieces in a row" if num_equal > 1 else ""
    return f"the {what} equals {which}{count}: is the source frozen, or does a buffer repeat?"
