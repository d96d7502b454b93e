"""Logs implausible sources: once when a reason first occurs at a station, then once a minute."""

import logging
from collections.abc import Iterator, Sequence

from inspector.bundle.load import LoadedBundle
from inspector.verdicts.words import enum_word
from protos.inspection.v1 import verdict_pb2 as pb
from streams.reminder import Happened, Reminder

log = logging.getLogger("inspector.plausibility")

INTERVAL_S = 60.0
_MAX_WORDS = 300

Subject = tuple[str, str, str, str, str]
"""Line, station, recipe, modality, reason."""


class DoubtLog:
    """Writes implausible sources to the log."""

    def __init__(self) -> None:
        self._reminder = Reminder[Subject](INTERVAL_S)

    def write(self, verdicts: Sequence[pb.Verdict], now_s: float) -> None:
        """Logs reasons that are new or have lasted for a minute; call it with every commit."""
        for verdict in verdicts:
            for subject, detail in _doubts(verdict):
                self._reminder.add(subject, verdict.inspection.piece_id, detail)
        for subject, many in self._reminder.due(now_s):
            log.warning("%s", _words(subject, many))


def _doubts(verdict: pb.Verdict) -> Iterator[tuple[Subject, str]]:
    place = verdict.inspection
    for modality in verdict.modalities:
        if modality.state == pb.MODALITY_STATE_IMPLAUSIBLE:
            yield (place.line, place.station, verdict.recipe, modality.name, reason_word(modality)), modality.detail


def reason_word(modality: pb.Modality) -> str:
    """Lower case; a reason that this version does not know is `other`, so that labels stay bounded."""
    known = modality.reason in pb.ModalityReason.values()
    return enum_word(pb.ModalityReason, modality.reason).lower() if known else "other"


def _words(subject: Subject, many: Happened) -> str:
    line, station, recipe, modality, reason = subject
    since = "" if many.said_s is None else f" in {INTERVAL_S:.0f} s"
    return (
        f"Line {line}, station {station}: {modality} is implausible ({reason}) for {many.count} piece(s){since}, "
        f"{', '.join(many.names)} last, so they did not pass. The last: {many.words[:_MAX_WORDS]} Fix the source. "
        f'If it works as it should, train with such recordings, or set plausibility = "wide" or "off" for '
        f"{modality} in recipe {recipe}."
    )


def warn_without_limits(bundle: LoadedBundle) -> None:
    """Warns when a bundle without limits is opened."""
    bare = [modality.name for modality in bundle.schema.modalities if modality.plausibility is None]
    if bare:
        log.warning(
            "Bundle %s %s has no plausibility limits for %s: only a picture or sound of one value throughout is "
            "detected as implausible there. Train it again, or run `inspector plausibility BUNDLE MANIFEST` with "
            "its training manifest.",
            *(bundle.schema.name, bundle.schema.version, ", ".join(bare)),
        )
