"""Keeps heat maps that are too large for a verdict in a folder of bounded size. Knows neither models nor decisions."""

import hashlib
import logging
import os
import re
from collections import OrderedDict
from pathlib import Path
from threading import Lock

from streams.observation import InspectionId

log = logging.getLogger("inspector.evidence_store")


class EvidenceStore:
    """Files named by inspection and camera; the oldest go when `max_bytes` is passed. One process owns the folder."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._max_bytes, self._lock = folder, max_bytes, Lock()
        files = sorted((path.stat().st_mtime_ns, path) for path in folder.glob("*.png"))
        self._sizes = OrderedDict((path.name, path.stat().st_size) for _, path in files)
        self._num_bytes = sum(self._sizes.values())
        self._make_room()

    def save(self, inspection: InspectionId, camera: str, png: bytes) -> str | None:
        """The file's name; None where it cannot be written, which costs evidence and never a verdict."""
        name = file_name(inspection, camera)
        part = self._folder / f"{name}.part"
        try:
            part.write_bytes(png)
            os.replace(part, self._folder / name)
        except OSError as exc:
            log.warning("Heat map %s is not kept (%s); make room or correct the evidence folder.", name, exc.strerror)
            return None
        with self._lock:
            self._num_bytes += len(png) - self._sizes.pop(name, 0)
            self._sizes[name] = len(png)
            self._make_room()
            return name if name in self._sizes else None

    def _make_room(self) -> None:
        while self._num_bytes > self._max_bytes:
            name, size = self._sizes.popitem(last=False)
            (self._folder / name).unlink(missing_ok=True)
            self._num_bytes -= size


def file_name(inspection: InspectionId, camera: str) -> str:
    """Readable, of bounded length, and one per inspection and camera: ids are the producers' and may hold anything."""
    whole = "\0".join((inspection.line, inspection.station, inspection.piece_id, str(inspection.pass_number), camera))
    readable = re.sub(r"[^A-Za-z0-9_-]", "_", f"{inspection.station}-{inspection.piece_id}-{camera}")[:96]
    return f"{readable}-{hashlib.sha256(whole.encode()).hexdigest()[:16]}.png"
