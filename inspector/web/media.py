"""Pictures and sounds of recent pieces, encoded for browsers: read once for all browsers, kept in a bounded cache."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from inspector.web.encode import Picture, Sound, encoded_piece
from inspector.web.metrics import WebMetrics
from inspector.web.settings import WebSettings
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.log import LogError
from streams.observation import Observation

MAX_WAITING = 32
"""Pieces that wait to be read; for one more the page asks again later."""
EMPTY_S = 5.0
"""A piece whose recordings could not be read is read again after this time: they may be kept by then."""


class MediaUnavailableError(Exception):
    """The recordings cannot be read now; a later attempt may succeed."""


class PieceReader(Protocol):
    """Where recordings come from: the log, or whatever keeps them. One thread uses it at a time."""

    def observation(self, verdict: Verdict) -> Observation:
        """The piece as it was judged, without the recordings that are gone. Raises LogError."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class PieceFiles:
    """What browsers get of one piece, by camera and by sensor. Empty where the recordings are gone."""

    pictures: Mapping[str, tuple[Picture, ...]]
    sounds: Mapping[str, Sound]

    read_s: float = field(default_factory=time.monotonic)

    @property
    def is_empty(self) -> bool:
        return not self.pictures and not self.sounds

    @property
    def num_bytes(self) -> int:
        pictures = sum(len(picture.data) for of_camera in self.pictures.values() for picture in of_camera)
        return 1000 + pictures + sum(len(sound.data) for sound in self.sounds.values())


class Media:
    """Belongs to the server's event loop; reads in a thread of its own."""

    def __init__(self, reader: PieceReader, settings: WebSettings, metrics: WebMetrics) -> None:
        self._reader, self._settings, self._metrics = reader, settings, metrics
        self._kept: OrderedDict[str, PieceFiles] = OrderedDict()
        self._read_now: dict[str, asyncio.Task[PieceFiles]] = {}
        self._thread = ThreadPoolExecutor(1, "web-media")
        self.num_bytes = 0

    async def files(self, address: str, verdict: Verdict) -> PieceFiles:
        """`address` never names another verdict. Raises MediaUnavailableError."""
        kept = self._kept.get(address)
        if kept is not None and kept.is_empty and time.monotonic() - kept.read_s > EMPTY_S:
            self._forget(address)
            kept = None
        if kept is not None:
            self._kept.move_to_end(address)
            return kept
        reading = self._read_now.get(address)
        if reading is None:
            reading = self._begin(address, verdict)
        try:
            async with asyncio.timeout(self._settings.media_timeout_s):
                return await asyncio.shield(reading)
        except TimeoutError:
            raise MediaUnavailableError("the log did not answer in time") from None
        except LogError as error:
            raise MediaUnavailableError(f"the log cannot be read ({error})") from error

    def close(self) -> None:
        """Forgets what waits to be read. From any thread."""
        self._thread.submit(self._reader.close)
        self._thread.shutdown(wait=False)

    def _begin(self, address: str, verdict: Verdict) -> asyncio.Task[PieceFiles]:
        if len(self._read_now) >= MAX_WAITING:
            raise MediaUnavailableError("many pictures are being read")
        reading = asyncio.get_running_loop().create_task(self._read(address, verdict))
        self._read_now[address] = reading
        return reading

    async def _read(self, address: str, verdict: Verdict) -> PieceFiles:
        try:
            files = await asyncio.get_running_loop().run_in_executor(self._thread, self._read_files, verdict)
        finally:
            del self._read_now[address]
        if files.is_empty:
            self._metrics.media_gone.inc()
        self._keep(address, files)
        return files

    def _read_files(self, verdict: Verdict) -> PieceFiles:
        """Runs in the thread."""
        pictures, sounds = encoded_piece(self._reader.observation(verdict))
        return PieceFiles(pictures, sounds)

    def _keep(self, address: str, files: PieceFiles) -> None:
        if files.num_bytes > self._settings.media_bytes // 2:
            return
        self._kept[address] = files
        self.num_bytes += files.num_bytes
        while self.num_bytes > self._settings.media_bytes:
            self._forget(next(iter(self._kept)))
        self._metrics.media_bytes.set(self.num_bytes)

    def _forget(self, address: str) -> None:
        self.num_bytes -= self._kept.pop(address).num_bytes
