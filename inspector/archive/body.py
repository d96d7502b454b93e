"""A verdict as it is stored: the message without heat maps, compressed, and the heat maps apart."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from protos.inspection.v1.verdict_pb2 import Verdict

LEVEL = 6
MAX_BODY_BYTES = 64 * 2**20
"""A verdict fits into a record of the log, so a longer body is damaged."""


class BodyError(Exception):
    """A stored verdict cannot be read."""


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    body: bytes
    heat_maps: Mapping[int, bytes]
    """PNG by position in `Verdict.images`."""

    @property
    def num_bytes(self) -> int:
        return len(self.body) + sum(map(len, self.heat_maps.values()))


def pack(verdict: Verdict) -> StoredVerdict:
    """Leaves the message without its heat maps."""
    heat_maps = {place: image.heat_map_png for place, image in enumerate(verdict.images) if image.heat_map_png}
    for place in heat_maps:
        verdict.images[place].ClearField("heat_map_png")
    return StoredVerdict(zlib.compress(verdict.SerializeToString(deterministic=True), LEVEL), heat_maps)


def unpack(stored: StoredVerdict) -> Verdict:
    """Raises BodyError."""
    inflate = zlib.decompressobj()
    try:
        verdict = Verdict.FromString(inflate.decompress(stored.body, MAX_BODY_BYTES))
        for place, png in stored.heat_maps.items():
            verdict.images[place].heat_map_png = png
    except (zlib.error, ValueError, IndexError) as exc:  # DecodeError is a ValueError
        raise BodyError(f"a stored verdict is damaged ({exc}): 'inspector archive rebuild' reads it again") from exc
    return verdict
