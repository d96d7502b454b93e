"""The images of one station that are fetched or decoded after their frames were accepted."""

from collections.abc import Callable, Mapping

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.items import Frame
from streams.decode.limits import RecordError
from streams.join.assembly import CameraSpec
from streams.join.pieces import FrameKey, Piece
from streams.join.shard_context import ShardContext
from streams.observation import Image, InspectionId


class LateImages:
    """Hands images over to the open pieces that wait for them."""

    def __init__(
        self,
        place: tuple[str, str],
        shared: ShardContext,
        pieces: Mapping[InspectionId, Piece],
        change: Callable[[Piece], None],
        hold: Callable[[int], None],
    ) -> None:
        """`place` is line and station, `pieces` are its open ones. `change` gets each that changes, `hold` the bytes of
        its new images."""
        self._place, self._shared, self._pieces, self._change, self._hold = place, shared, pieces, change, hold

    def is_missing(self, frame: Frame) -> bool:
        """Whether a frame was accepted whose image is still missing. Also called from the threads that fetch and
        decode."""
        piece = self._pieces.get(frame.inspection)
        return piece is not None and piece.fetching.get((frame.camera, frame.sequence)) is frame

    def take(self, inspection: InspectionId, frame_key: FrameKey, image: Image | None, detail: str) -> None:
        """Takes the outcome of a fetch or decoding; ignores it if the piece has closed. Without an image, `detail` is
        the error."""
        piece = self._pieces.get(inspection)
        if piece is None or frame_key not in piece.fetching:
            return
        self._change(piece)
        if image is None:
            self.fail(piece, frame_key, RecordError(pb.DEAD_LETTER_REASON_REFERENCE, detail))
            return
        camera = piece.camera(frame_key[0]) or CameraSpec(frame_key[0])
        self._shared.low_pixels.check((*self._place, camera), image)
        try:
            self._hold(piece.take_image(frame_key, image, camera))
        except RecordError as error:
            self.fail(piece, frame_key, error)

    def fail_decoding(self, inspection: InspectionId, frame_key: FrameKey) -> None:
        """An image that was accepted without it cannot be decoded, which is a dead letter already."""
        self._pieces[inspection].fail_fetch(frame_key)
        self._change(self._pieces[inspection])

    def fail(self, piece: Piece, frame_key: FrameKey, error: RecordError) -> None:
        """Makes the frame a dead letter."""
        frame = piece.fail_fetch(frame_key, is_received=error.reason == pb.DEAD_LETTER_REASON_WRONG_FORMAT)
        self._shared.refuse(frame.origin, error, piece.inspection)
