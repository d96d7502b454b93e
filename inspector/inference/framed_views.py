"""Frames the pictures of several pieces: marks those that cannot be framed, and cuts out the others when asked.

Cut pictures are kept up to a number of bytes; beyond it they are cut again for the next expert.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from inspector.framing.framer import Framer
from inspector.framing.placement import Placement
from inspector.framing.refusal import Refusal
from streams.observation import Image, Observation, State, View

KEPT_BYTES = 2**27
"""Of cut pictures: six of 20 MP in grey."""
Place = tuple[int, str, int]
"""Index of the piece, camera, index of the image."""


class FramedViews:
    def __init__(self, framers: Mapping[str, Framer], max_bytes: int = KEPT_BYTES) -> None:
        self._framers, self._max_bytes = framers, max_bytes
        self._placements: dict[Place, Placement] = {}
        self._cut: OrderedDict[Place, Image] = OrderedDict()
        self._bytes = 0

    def placed(self, pieces: Sequence[Observation]) -> list[Observation]:
        """The pieces, with cameras marked whose pictures cannot be framed: their pieces do not pass."""
        return [self._piece(row, piece) for row, piece in enumerate(pieces)] if self._framers else list(pieces)

    def placement(self, row: int, camera: str, index: int) -> Placement | None:
        """None for a camera whose pictures are taken whole."""
        return self._placements.get((row, camera, index))

    def image(self, row: int, camera: str, index: int, image: Image) -> Image:
        """What the experts see of this image of a piece."""
        place = row, camera, index
        placement = self._placements.get(place)
        if placement is None:
            return image
        if place not in self._cut:
            self._keep(place, self._framers[camera].cut(image, placement))
        self._cut.move_to_end(place)
        return self._cut[place]

    @property
    def kept_bytes(self) -> int:
        return self._bytes

    def _keep(self, place: Place, image: Image) -> None:
        """Drops the longest unused ones; one picture is kept, however large."""
        self._cut[place] = image
        self._bytes += image.nbytes
        while self._bytes > self._max_bytes and len(self._cut) > 1:
            self._bytes -= self._cut.popitem(last=False)[1].nbytes

    def _piece(self, row: int, piece: Observation) -> Observation:
        views = {name: self._view(row, view) for name, view in piece.views.items()}
        return replace(piece, views=views)

    def _view(self, row: int, view: View) -> View:
        framer = self._framers.get(view.camera)
        if framer is None or view.state is not State.PRESENT:
            return view
        for index, image in enumerate(view.images):
            placement = framer.place(image)
            if isinstance(placement, Refusal):
                return replace(view, state=State.IMPLAUSIBLE, absence=placement.absence, detail=placement.detail)
            self._placements[row, view.camera, index] = placement
        return view
