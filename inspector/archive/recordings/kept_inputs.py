"""Reads the inputs of a judged piece from the archive and its object store."""

from collections.abc import Mapping

from inspector.archive.find import Archive
from inspector.archive.recordings.files import image_of, sound_of
from inspector.archive.recordings.inputs import JudgedInputs
from inspector.archive.recordings.missing import InputError, MissingInput, Why
from inspector.archive.recordings.objects import ObjectDamagedError, ObjectMissingError, ObjectStore
from inspector.archive.recordings.observation import observation_of
from inspector.archive.rows import KeptRecording
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.join.whole import Sound
from streams.observation import Image, ModalityKind

MAX_FILE_BYTES = 2**30
_KINDS: Mapping[str, ModalityKind] = {"audio": "audio", "vibration": "vibration", "trace": "trace"}


class KeptInputs:
    """Safe for several threads."""

    def __init__(self, archive: Archive, store: ObjectStore) -> None:
        self._archive, self._store = archive, store

    def read(self, key: int) -> JudgedInputs:
        """The inputs of the verdict with this key, as far as they were kept.

        Raises NotInArchiveError, BodyError, StoreError, ObjectStoreError.
        """
        return self.read_of(key, self._archive.verdict(key))

    def read_of(self, key: int, verdict: Verdict) -> JudgedInputs:
        """The same for a verdict that was read before."""
        images: dict[str, list[Image]] = {}
        sounds: dict[str, Sound] = {}
        missing: list[MissingInput] = []
        recordings = self._archive.recordings(key)
        for recording in recordings:
            try:
                content = self._content(recording)
                if recording.kind == "image":
                    images.setdefault(recording.source, []).append(image_of(recording.format, content))
                else:
                    sounds[recording.source] = _sound(recording, content)
            except InputError as error:
                kind = recording.kind
                missing.append(MissingInput(recording.source, recording.sequence, error.why, error.detail, kind))
        known = {(recording.source, recording.sequence) for recording in recordings}
        missing += [file for file in _expected(verdict) if (file.source, file.sequence) not in known]
        return JudgedInputs(observation_of(verdict, images, sounds), tuple(missing))

    def _content(self, recording: KeptRecording) -> bytes:
        if recording.sha256 is None:
            why = next((why for why in Why if why.value == recording.absent), Why.UNREADABLE)
            raise InputError(why, f"not in the archive: {recording.absent}")
        try:
            return self._store.get(recording.sha256, MAX_FILE_BYTES)
        except ObjectMissingError as error:
            raise InputError(Why.GONE, str(error)) from error
        except ObjectDamagedError as error:
            raise InputError(Why.UNREADABLE, str(error)) from error


def _sound(recording: KeptRecording, content: bytes) -> Sound:
    kind = _KINDS.get(recording.kind)
    if kind is None:
        raise InputError(Why.UNREADABLE, f"the recording is of the kind {recording.kind!r}")
    return sound_of(kind, recording.format, content, recording.detail)


def _expected(verdict: Verdict) -> list[MissingInput]:
    """Every image and clip that the verdict was judged on, as if nothing of it had been kept."""
    detail = "was not kept"
    images = [
        MissingInput(frames.camera, sequence, Why.NOT_KEPT, detail, "image")
        for frames in verdict.inputs.frames
        for sequence in range(len(frames.offset_steps))
    ]
    return images + [MissingInput(signal.sensor, 0, Why.NOT_KEPT, detail) for signal in verdict.inputs.signals]
