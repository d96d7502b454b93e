"""The folder or store of pictures larger than a record: writes them under their hash, removes old ones where asked."""

import hashlib
import logging
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

import fsspec

from streams.references.addresses import shown

log = logging.getLogger("inspector.sources")
LOOK_S = 600.0
"""How often old files are looked for at most: listing a large folder takes seconds."""
_OWN = re.compile(r"(?:^|/)[0-9a-f]{64}\.(?:png|jpg)$")


class LargeFiles:
    """`folder` is an fsspec address. One thread uses it."""

    def __init__(self, folder: str, keep_s: float | None = None, clock: Callable[[], float] = time.time) -> None:
        """`keep_s`: files written longer ago than this are removed; None: never. `clock`: seconds since 1970."""
        self._folder, self._keep_s, self._clock = folder.rstrip("/"), keep_s, clock
        self._next_look_s = 0.0

    def store(self, data: bytes, ending: str) -> str:
        """Returns the address once the file lies there; one that is there already is written again. Raises OSError."""
        self._tidy()
        uri = f"{self._folder}/{hashlib.sha256(data).hexdigest()}.{ending}"
        is_local = uri.startswith(("/", "file:"))
        with fsspec.open(uri, "wb", **({"auto_mkdir": True} if is_local else {})) as file:
            file.write(data)
        return uri

    def _tidy(self) -> None:
        """A folder that cannot be tidied is no reason to lose a picture."""
        now_s = self._clock()
        if self._keep_s is None or now_s < self._next_look_s:
            return
        self._next_look_s = now_s + LOOK_S
        try:
            num_removed = self._remove_before(datetime.fromtimestamp(now_s - self._keep_s, UTC))
        except OSError as exc:
            log.warning("Old files in %s cannot be removed (%s); remove them by hand.", shown(self._folder), exc)
        else:
            if num_removed:
                log.info("Removed %d old file(s) from %s.", num_removed, shown(self._folder))

    def _remove_before(self, moment: datetime) -> int:
        """Names that this class would not give are left alone. Raises OSError."""
        system, root = fsspec.core.url_to_fs(self._folder)
        if not system.exists(root):
            return 0
        own = [str(path) for path in system.ls(root, detail=False, refresh=True) if _OWN.search(str(path))]
        old = [path for path in own if _aware(system.modified(path)) < moment]
        for path in old:
            system.rm_file(path)
        return len(old)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
