"""Lists the recordings of a piece for its page: kept ones, those that only the log may still have, and lost ones."""

from collections.abc import Sequence
from dataclasses import dataclass

from inspector.archive.rows import KeptRecording
from protos.inspection.v1.verdict_pb2 import ModalityState, Verdict

MAX_SHOWN = 64
_SEEN = (ModalityState.MODALITY_STATE_PRESENT, ModalityState.MODALITY_STATE_IMPLAUSIBLE)


@dataclass(frozen=True, slots=True)
class Listed:
    """One recording, or why there is none."""

    source: str
    words: str
    href: str


def file_path(key: int, source: int, sequence: int) -> str:
    """`source` is the position in the verdict's list of modalities."""
    return f"/kept/{key}/file/{source}/{sequence}"


def recording_list(verdict: Verdict, kept: Sequence[KeptRecording], key: int) -> list[Listed]:
    listed = []
    for place, modality in enumerate(verdict.modalities):
        recordings = [recording for recording in kept if recording.source == modality.name]
        listed += [_kept(recording, file_path(key, place, recording.sequence)) for recording in recordings]
        if not recordings and modality.state in _SEEN:
            words = "not kept; as long as the log has its records, it is read from there"
            listed.append(Listed(modality.name, words, file_path(key, place, 0)))
    return listed[:MAX_SHOWN]


def _kept(recording: KeptRecording, href: str) -> Listed:
    image = f"image {recording.sequence + 1}, " if recording.kind == "image" else ""
    if recording.sha256 is None:
        return Listed(recording.source, f"{image}not kept: {recording.absent.replace('_', ' ')}", "")
    return Listed(recording.source, f"{image}{recording.format.upper()}, {_size(recording.num_bytes)}", href)


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 2**20:.1f} MB" if num_bytes >= 2**20 else f"{num_bytes / 1000:.1f} kB"
