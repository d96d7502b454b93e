"""Reads industrial cameras (GigE Vision, USB3 Vision) through the package harvesters and a maker's GenTL producer."""

import importlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.sources.newest import CameraAwayError, Opener, Picture
from inspector.sources.pictures import Pixels

READ_S = 5.0


class GenicamMissingError(Exception):
    """GenICam cameras cannot be read on this machine; the message says what to install."""


class Component(Protocol):
    """harvesters' `Component2DImage`, as far as it is used."""

    width: int
    height: int
    data_format: str
    data: "NDArray[np.uint8] | NDArray[np.uint16]"


class Payload(Protocol):
    components: "list[Component]"


class Buffer(AbstractContextManager["Buffer"], Protocol):
    payload: Payload


class Acquirer(Protocol):
    """harvesters' `ImageAcquirer`, as far as it is used."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def destroy(self) -> None: ...

    def try_fetch(self, *, timeout: float) -> Buffer | None: ...


class Harvester(Protocol):
    device_info_list: "list[object]"

    def add_file(self, file_path: str) -> None: ...

    def update(self) -> None: ...

    def create(self, search_key: "int | dict[str, str]") -> Acquirer: ...

    def reset(self) -> None: ...


def load_harvester() -> Callable[[], Harvester]:
    """Raises GenicamMissingError."""
    try:
        return cast("Callable[[], Harvester]", importlib.import_module("harvesters.core").Harvester)
    except ModuleNotFoundError as exc:
        raise GenicamMissingError("harvesters is not installed: in the checkout, pip install '.[genicam]'") from exc


class GenicamCamera:
    """`inspector.sources.newest.Camera` on a running acquisition."""

    def __init__(self, harvester: Harvester, acquirer: Acquirer) -> None:
        self._harvester, self._acquirer = harvester, acquirer

    def read(self) -> Picture:
        try:
            buffer = self._acquirer.try_fetch(timeout=READ_S)
        except Exception as exc:  # every maker's producer raises its own
            raise CameraAwayError(f"{type(exc).__name__}: {exc}") from exc
        if buffer is None:
            raise CameraAwayError(f"no picture within {READ_S:g} s; is the camera triggered and connected?")
        capture_ns = time.time_ns()
        with buffer:
            if not buffer.payload.components:
                raise CameraAwayError("the camera sent a buffer without an image (lost packets)")
            return Picture(pixels_of(buffer.payload.components[0]), capture_ns)

    def close(self) -> None:
        for step in (self._acquirer.stop, self._acquirer.destroy, self._harvester.reset):
            try:
                step()
            except Exception as exc:  # a camera that was unplugged: nothing is left to close  # noqa: BLE001
                del exc


def pixels_of(component: Component) -> Pixels:
    """A copy: grey as it is, colour as blue-green-red, a Bayer mosaic interpolated. Raises CameraAwayError."""
    form, height_px, width_px = component.data_format, component.height, component.width
    data = cast("Pixels", np.asarray(component.data))
    if form.startswith("Mono") and not form.endswith("p") and "Packed" not in form:
        return cast("Pixels", data.reshape(height_px, width_px).copy())
    if form.startswith("Bayer") and not form.endswith("p") and "Packed" not in form:
        return cast("Pixels", cv2.cvtColor(data.reshape(height_px, width_px), _MOSAICS[form[5:7]]))
    if form in _COLOURS:
        colours = data.reshape(height_px, width_px, -1)
        return colours[..., _COLOURS[form]].copy()
    raise CameraAwayError(
        f"its pixel format {form} is not read; set PixelFormat to Mono8 to Mono16, BayerXX8 to BayerXX16, "
        "RGB8, BGR8, RGBa8 or BGRa8 in the maker's tool"
    )


_COLOURS = {
    **{form: [0, 1, 2] for form in ("BGR8", "BGR8Packed", "BGRa8", "BGRa8Packed")},
    **{form: [2, 1, 0] for form in ("RGB8", "RGB8Packed", "RGBa8", "RGBa8Packed")},
}
"""Where blue, green and red stand; what the picture says of its transparency is left out."""
_MOSAICS = {
    # OpenCV names a mosaic by the second row's second and third pixel, GenICam by the first row's first two.
    "RG": cv2.COLOR_BayerBG2BGR,
    "BG": cv2.COLOR_BayerRG2BGR,
    "GR": cv2.COLOR_BayerGB2BGR,
    "GB": cv2.COLOR_BayerGR2BGR,
}


def genicam_camera(producer: Path, device: "int | dict[str, str]", make: Callable[[], Harvester]) -> Opener:
    """A camera that a GenTL producer (.cti file) finds: by number, or by properties such as its serial number."""

    def opens() -> GenicamCamera:
        harvester = make()
        try:
            harvester.add_file(str(producer))
            harvester.update()
            acquirer = harvester.create(device)
            acquirer.start()
        except Exception as exc:
            num_cameras = len(harvester.device_info_list)
            harvester.reset()
            raise CameraAwayError(f"{type(exc).__name__}: {exc} ({num_cameras} camera(s) found)") from exc
        return GenicamCamera(harvester, acquirer)

    return opens
