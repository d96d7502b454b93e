"""Finds recordings that equal an earlier one of the same camera or sensor. Keeps digests, no recording.

A real source never repeats its noise: what repeats comes from a frozen source or from a buffer that goes round.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar
from zlib import crc32

from streams.join.content import DIGEST_BYTES, Recording, digest, is_distinctive
from streams.observation import Clip, MissingReason, Observation, State

KEPT_PIECES = 4
KEPT_RECORDINGS = 16
"""A recording is compared with so many before it, and with those of so many pieces, whatever is more: a driver that
stands still may hand out all its buffers in turn."""
CONTENT_BYTES = DIGEST_BYTES + 4
"""Digest, then the time of a signal: one recording may belong to several pieces. An image has no time."""
_NO_TIME = bytes(4)
Contents = Mapping[str, Sequence[bytes]]
"""By source, what stands for its recordings, the oldest first."""
OF_CHUNKS = "/chunks"
"""Behind a sensor's name: what stands for its chunks, beside its clips. No name holds a slash."""
Kept = TypeVar("Kept")


class KnownRecording(NamedTuple):
    """A recording that came before, and with which piece; empty where a predecessor judged it."""

    content: bytes
    piece: str


@dataclass(slots=True)
class History:
    """The last recordings of one source, the oldest first."""

    known: list[KnownRecording]
    num_equal: int = 1
    """Pieces in a row that brought nothing new."""


class FrozenDetector:
    """The sources of one station, in the order in which its pieces close. A piece without a recording changes
    nothing."""

    def __init__(self, settled: Contents) -> None:
        """`settled`: what a predecessor left."""
        self._settled = {source: list(contents) for source, contents in settled.items()}
        self._histories = {
            source: History([KnownRecording(one, "") for one in each]) for source, each in settled.items()
        }

    @property
    def settled(self) -> Contents:
        """What a successor must know: the recordings of pieces whose verdict is out."""
        return self._settled

    def settle(self, contents: Contents) -> None:
        """The verdict of the piece with these recordings is in the next commit."""
        for source, brought in contents.items():
            self._settled[source] = _newest([*self._settled.get(source, ()), *brought], len(brought))

    def mark(self, seen: Observation, may_repeat: frozenset[str]) -> tuple[Observation, Contents]:
        """The piece, with every source that repeats implausible, and what stands for its recordings."""
        views, clips = dict(seen.views), dict(seen.clips)
        contents = {name: [digest(image) + _NO_TIME for image in view.images] for name, view in views.items()}
        contents |= {name: _content(clip) for name, clip in clips.items()}
        piece = seen.inspection.piece_id
        for name, view in seen.views.items():
            words = self._equals("image", name, view.images, contents[name], piece)
            if words and view.state is State.PRESENT and name not in may_repeat:
                views[name] = replace(view, state=State.IMPLAUSIBLE, absence=MissingReason.FROZEN, detail=words)
        for name, clip in seen.clips.items():
            samples = () if clip.samples is None else (clip.samples,)
            words = self._equals("recording", name, samples, contents[name], piece)
            if words and clip.state is State.PRESENT and name not in may_repeat:
                clips[name] = replace(clip, state=State.IMPLAUSIBLE, absence=MissingReason.FROZEN, detail=words)
        return replace(seen, views=views, clips=clips), {name: each for name, each in contents.items() if each}

    def _equals(
        self, what: str, source: str, recordings: Sequence[Recording], contents: list[bytes], piece: str
    ) -> str:
        """Takes note of what a source gave to a piece; says which earlier recording it equals, if any."""
        if not recordings:
            return ""
        history = self._histories.setdefault(source, History([]))
        known, equal = list(history.known), None
        for recording, content in zip(recordings, contents, strict=True):
            earlier = next((one for one in reversed(known) if _repeats(content, one.content)), None)
            equal = earlier if earlier is not None and is_distinctive(recording) else equal
            known.append(KnownRecording(content, piece))
        history.known = _newest(known, len(contents))
        history.num_equal = 1 if equal is None else history.num_equal + 1
        return "" if equal is None else _sentence(what, equal.piece, piece, history.num_equal)


def joined(pieces: Contents, chunks: Contents) -> Contents:
    """What stands for the recordings of pieces, and by sensor for the chunks, in one."""
    return {**pieces, **{sensor + OF_CHUNKS: contents for sensor, contents in chunks.items() if contents}}


def split(contents: Contents) -> tuple[Contents, Contents]:
    """What `joined` has joined."""
    pieces = {source: each for source, each in contents.items() if not source.endswith(OF_CHUNKS)}
    chunks = {source.removesuffix(OF_CHUNKS): each for source, each in contents.items() if source not in pieces}
    return pieces, chunks


def _content(clip: Clip) -> list[bytes]:
    if clip.samples is None:
        return []
    return [digest(clip.samples) + crc32(clip.first_ns.to_bytes(16, "big", signed=True)).to_bytes(4, "big")]


def _repeats(content: bytes, earlier: bytes) -> bool:
    """The same content, and not one recording at one time, which pieces that lie side by side may share."""
    is_equal = content[:DIGEST_BYTES] == earlier[:DIGEST_BYTES]
    return is_equal and (content != earlier or content.endswith(_NO_TIME))


def _newest(recordings: list[Kept], per_piece: int) -> list[Kept]:
    return recordings[-max(KEPT_RECORDINGS, KEPT_PIECES * per_piece) :]


def _sentence(what: str, earlier: str, piece: str, num_equal: int) -> str:
    if earlier == piece:
        of = "another one of this piece"
    else:
        of = f"that of piece {earlier!r}" if earlier else "that of an earlier piece"
    many = f", {num_equal} pieces in a row" if num_equal > 1 else ""
    return f"the {what} equals {of}{many}: is the source frozen, or does a buffer repeat?"
