"""Turns pixels into a file, and puts a file into a frame: inside, or by reference where it is larger than a record."""

import hashlib
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.sources.large_files import LargeFiles
from inspector.sources.target import Target
from protos.inspection.v1 import records_pb2 as pb
from streams.references.addresses import allowed, install_hint, missing_package, prefix_problem, shown

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
ROOM_BYTES = 4096
"""Left in a record for all that is not pixels."""
_ENDINGS: dict[int, str] = {pb.PIXEL_FORMAT_PNG: "png", pb.PIXEL_FORMAT_JPEG: "jpg"}


class PictureError(ValueError):
    """A picture cannot be sent; the message says why and what to do."""


class PictureFile(NamedTuple):
    """A PNG or JPEG file."""

    format: pb.PixelFormat
    data: bytes


def encode(pixels: Pixels, jpeg_quality: int | None = None) -> PictureFile:
    """(H, W) or (H, W, 3) blue-green-red; PNG keeps every bit, JPEG is 8 bits. Raises PictureError."""
    try:
        if jpeg_quality is None:
            done, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
            form = pb.PIXEL_FORMAT_PNG
        else:
            done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])
            form = pb.PIXEL_FORMAT_JPEG
    except cv2.error as exc:
        raise PictureError(f"a picture of shape {pixels.shape} and {pixels.dtype} cannot be encoded ({exc})") from exc
    if not done:
        raise PictureError(f"a picture of shape {pixels.shape} and {pixels.dtype} cannot be encoded")
    return PictureFile(form, data.tobytes())


class FrameContent:
    """Puts pictures into frames. Files larger than a record go to `large_to`, an fsspec address of a folder, and are
    removed after `keep_s` where that is given."""

    def __init__(self, target: Target, large_to: str | None, keep_s: float | None = None) -> None:
        """Raises PictureError where the service would not fetch from `large_to`."""
        self._most_bytes = target.max_record_bytes - ROOM_BYTES
        self._folder = None if large_to is None else large_to.rstrip("/")
        if self._folder is None:
            if keep_s is not None:
                raise PictureError("--large-hours is for the files of --large-to; name their folder, or leave it out")
            return
        _check_prefix(self._folder, target)
        self._files = LargeFiles(self._folder, keep_s)

    def fill(self, frame: pb.CameraFrame, picture: PictureFile) -> None:
        """Returns when a large file lies in its store. Raises PictureError."""
        if len(picture.data) <= self._most_bytes:
            frame.pixels.CopyFrom(pb.ImagePixels(format=picture.format, data=picture.data))
        else:
            frame.reference.CopyFrom(self._stored(picture))

    def _stored(self, picture: PictureFile) -> pb.ImageReference:
        if self._folder is None:
            raise PictureError(
                f"a picture of {len(picture.data)} bytes does not fit into a record of {self._most_bytes}: "
                "name a folder for large ones with --large-to (below [references] allowed_prefixes), send JPEG "
                "(cameras: --jpeg 95), or raise max_record_bytes in the service's configuration to "
                f"{len(picture.data) + ROOM_BYTES} or more"
            )
        digest = hashlib.sha256(picture.data).digest()
        try:
            uri = self._files.store(picture.data, _ENDINGS[picture.format])
        except OSError as exc:
            raise PictureError(
                f"{shown(self._folder)}: a picture cannot be written there ({exc}); correct --large-to or the rights "
                "on it"
            ) from exc
        return pb.ImageReference(uri=uri, sha256=digest, size_bytes=len(picture.data), format=picture.format)


def _check_prefix(folder: str, target: Target) -> None:
    if problem := prefix_problem(folder):
        raise PictureError(f"--large-to {problem}")
    if package := missing_package(folder):
        raise PictureError(f"--large-to {shown(folder)}: {package} is not installed; {install_hint(package)}")
    prefixes = target.allowed_prefixes
    if prefixes is not None and allowed(f"{folder}/a.png", prefixes) is None:
        raise PictureError(
            f"--large-to {shown(folder)} is below none of [references] allowed_prefixes = "
            f"{[shown(prefix) for prefix in prefixes]} in {target.check_file}: the service would fetch "
            "nothing from there; add the folder to them"
        )
