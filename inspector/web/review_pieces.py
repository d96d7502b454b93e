"""Prepares a piece for the Review page: card, pictures and sounds, under the token of the person who holds it.

Nothing tells a known piece from another one: there is no name, time, lot, score or bundle, and all are read alike.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from inspector.archive.find import Archive, NotInArchiveError
from inspector.archive.recordings.inputs import JudgedInputs
from inspector.archive.rows import PieceFilter
from inspector.archive.verdict_row import likeliest_class
from inspector.review.desk import Desk
from inspector.review.lending import Held
from inspector.verdicts.plain_text import plain
from inspector.verdicts.sentence import sentence
from inspector.web.card import Card, Value
from inspector.web.encode import encoded_piece
from inspector.web.kept_recordings import BusyError
from inspector.web.marks import marked, marked_files
from inspector.web.media import PieceFiles
from protos.inspection.v1 import verdict_pb2 as pb

AHEAD = 3
"""Pieces that a page holds: the one that is shown, and two that are loaded already."""
MAX_SOURCES, MAX_REGIONS, MAX_CLASSES, MAX_NAME = 16, 16, 64, 48
MAX_PREPARING = 2
"""Pieces that are read and encoded at the same time."""
CLASSES_S = 60.0
"""Names of classes are looked up this often."""


class KeptReader(Protocol):
    """Where kept recordings come from."""

    def read_of(self, key: int, verdict: pb.Verdict) -> JudgedInputs:
        """Raises StoreError, ObjectStoreError."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A piece as it is prepared for one reviewer."""

    verdict: pb.Verdict
    files: PieceFiles
    card: Card


@dataclass
class ReviewPieces:
    """Thread-safe. Keeps prepared pieces within `max_bytes`."""

    desk: Desk
    archive: Archive
    inputs: KeptReader
    max_bytes: int = 64 * 2**20
    wait_s: float = 5.0
    """For a place to prepare a piece."""
    _shown: OrderedDict[str, Shown] = field(default_factory=OrderedDict)
    _classes: dict[tuple[str, str], tuple[float, tuple[str, ...]]] = field(default_factory=dict)
    _num_bytes: int = 0
    _making: dict[str, threading.Lock] = field(default_factory=dict)
    _places: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(MAX_PREPARING))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def hold(self, reviewer: str) -> list[Card]:
        """The pieces to look at, in order, ready to be shown. Raises StoreError, ObjectStoreError, BusyError."""
        cards = []
        for held in self.desk.hold(reviewer, AHEAD):
            try:
                cards.append(self._prepared(held).card)
            except NotInArchiveError:
                continue  # Retention was faster; the lease ends by itself.
        return cards

    def shown(self, reviewer: str, token: str) -> Shown | None:
        """The piece, where this reviewer holds it. Raises StoreError, ObjectStoreError, NotInArchiveError,
        BusyError."""
        held = self.desk.held(reviewer, token)
        return None if held is None else self._prepared(held)

    @property
    def num_prepared(self) -> int:
        return len(self._shown)

    def _prepared(self, held: Held) -> Shown:
        """By token, not by piece: a piece that others saw before must not be there faster."""
        with self._lock:
            known = self._shown.get(held.token)
            if known is not None:
                return known
            making = self._making.setdefault(held.token, threading.Lock())
        with making:
            try:
                return self._shown.get(held.token) or self._prepare(held)
            finally:
                with self._lock:
                    self._making.pop(held.token, None)

    def _prepare(self, held: Held) -> Shown:
        """Few at the same time: each holds all recordings of a piece. Raises BusyError."""
        if not self._places.acquire(timeout=self.wait_s):
            raise BusyError("many pieces are being prepared: try again in a moment")
        try:
            return self._made(held)
        finally:
            self._places.release()

    def _made(self, held: Held) -> Shown:
        verdict = self.archive.verdict(held.verdict_key)
        pictures, sounds = encoded_piece(self.inputs.read_of(held.verdict_key, verdict).observation)
        files = marked_files(PieceFiles(pictures, sounds))
        prepared = Shown(verdict, files, card_of(held.token, verdict, files, self._class_names(verdict)))
        with self._lock:
            self._keep(held.token, prepared)
        return prepared

    def _keep(self, token: str, prepared: Shown) -> None:
        if token in self._shown:
            return
        self._shown[token] = prepared
        self._num_bytes += prepared.files.num_bytes
        while self._num_bytes > self.max_bytes and len(self._shown) > 1:
            _, oldest = self._shown.popitem(last=False)
            self._num_bytes -= oldest.files.num_bytes

    def _class_names(self, verdict: pb.Verdict) -> tuple[str, ...]:
        """Of the newest verdict of this product: an old piece has the classes of today, as all others."""
        place = (verdict.inspection.line, verdict.product)
        looked_up = self._classes.get(place)
        if looked_up is not None and time.monotonic() - looked_up[0] < CLASSES_S:
            return looked_up[1]
        names = self._newest_classes(*place) or _classes_of(verdict)
        if len(self._classes) >= MAX_CLASSES:
            self._classes.clear()
        self._classes[place] = time.monotonic(), names
        return names

    def _newest_classes(self, line: str, product: str) -> tuple[str, ...]:
        same_product = PieceFilter(line=line, product=product)
        for row in self.archive.find(same_product, limit=20):
            if names := _classes_of(self.archive.verdict(row.key)):
                return names
        return ()


def _classes_of(verdict: pb.Verdict) -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in verdict.classes))[:MAX_CLASSES]


def card_of(token: str, verdict: pb.Verdict, files: PieceFiles, classes: tuple[str, ...]) -> Card:
    """Everything that the page knows of a piece."""
    return {
        "token": token,
        "station": plain(verdict.inspection.station, MAX_NAME),
        "product": plain(verdict.product, MAX_NAME),
        "why": question(verdict),
        "classes": [plain(name, MAX_NAME) for name in classes],
        "sources": [
            _source(token, index, modality, verdict, files)
            for index, modality in enumerate(verdict.modalities[:MAX_SOURCES])
        ],
    }


def question(verdict: pb.Verdict) -> str:
    """Why a person looks. Without score and limits, which are those of the day on which the piece was judged."""
    words = _QUESTIONS.get(verdict.reason)
    if words is None:
        return sentence(verdict)
    name, source = likeliest_class(verdict), _chief(verdict)
    likeliest = f"; {plain(name, MAX_NAME)} is likeliest" if name else ""
    return f"{words}{likeliest}{f'; {plain(source, MAX_NAME)} says most' if source else ''}"


_QUESTIONS: Mapping[int, str] = {
    pb.DECISION_REASON_UNCERTAIN: "neither clearly good nor clearly defective",
    pb.DECISION_REASON_DEFECT: "the line found a defect",
    pb.DECISION_REASON_GOOD: "the line found nothing",
}


def _chief(verdict: pb.Verdict) -> str:
    """The camera or sensor that speaks most for a defect; empty where none does."""
    against = [modality for modality in verdict.modalities if modality.contribution > 0]
    return max(against, key=lambda modality: modality.contribution).name if against else ""


def _source(token: str, index: int, modality: pb.Modality, verdict: pb.Verdict, files: PieceFiles) -> Card:
    base = f"/review/pieces/{token}/{index}"
    common: dict[str, Value] = {"name": plain(modality.name, MAX_NAME), "kind": plain(modality.kind, 16)}
    pictures, sound = files.pictures.get(modality.name, ()), files.sounds.get(modality.name)
    if pictures:
        heat, regions = _image_evidence(verdict, modality.name)
        frames: list[Value] = [f"{base}/picture/{number}" for number in range(len(pictures))]
        return {**common, "frames": frames, "heat": f"{base}/heat" if heat else None, "regions": regions}
    if sound is not None:
        return {**common, "sound": f"{base}/sound", "region": _signal_region(verdict, modality.name)}
    is_present = modality.state == pb.MODALITY_STATE_PRESENT
    return {**common, "absent": "this recording was not kept" if is_present else "nothing usable arrived"}


def _image_evidence(verdict: pb.Verdict, camera: str) -> tuple[bytes, list[Value]]:
    for image in verdict.images:
        if image.camera == camera:
            regions: list[Value] = [
                [region.x_px, region.y_px, region.width_px, region.height_px, round(region.strength, 3)]
                for region in image.regions[:MAX_REGIONS]
            ]
            return image.heat_map_png, regions
    return b"", []


def _signal_region(verdict: pb.Verdict, sensor: str) -> Mapping[str, Value] | None:
    for signal in verdict.signals:
        if signal.sensor == sensor:
            low_hz = signal.low_hz if signal.HasField("low_hz") else None
            high_hz = signal.high_hz if signal.HasField("high_hz") else None
            return {"start_s": signal.start_s, "end_s": signal.end_s, "low_hz": low_hz, "high_hz": high_hz}
    return None


def heat_map_of(verdict: pb.Verdict, camera: str) -> bytes:
    """Empty where there is none."""
    heat = _image_evidence(verdict, camera)[0]
    return marked(heat) if heat.startswith(b"\x89PNG\r\n") else b""
