"""`inspector source genicam`: pieces with pictures of industrial cameras."""

from pathlib import Path

import click

from inspector.cli.errors import report_user_errors
from inspector.cli.source_place import Place, place_options
from inspector.cli.source_video import Shooting, publish_pictures, shooting_options
from inspector.sources.genicam import GenicamMissingError, genicam_camera, load_harvester
from inspector.sources.newest import Opener
from inspector.sources.pictures import PictureError
from inspector.sources.target import TargetError


@click.command()
@click.argument("device", nargs=-1, required=True)
@click.option(
    "--producer",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="GenTL producer of the camera's maker, a .cti file; it speaks GigE Vision or USB3 Vision.",
)
@shooting_options
@place_options
@report_user_errors(GenicamMissingError, PictureError, TargetError)
def genicam(place: Place, shooting: Shooting, device: tuple[str, ...], producer: Path) -> None:
    """Publishes pieces with pictures of GenICam cameras: DEVICE is a number (0 is the first) or a serial number.

    Exposure, gain and pixel format stay as the maker's tool has stored them in the camera; it must run freely (trigger
    mode off). Mono, Bayer, RGB and BGR formats are read, 8 to 16 bits, not packed.

    \b
    inspector source genicam 0 --producer /opt/maker/producer.cti --every 1 --config service.toml
    inspector source genicam 22334455 --producer /opt/maker/producer.cti --stdin --config service.toml
    """
    resolved = place.resolve(shooting.names)
    make = load_harvester()
    devices: list[tuple[str, Opener]] = [(f"camera {one}", genicam_camera(producer, _key(one), make)) for one in device]
    publish_pictures(resolved, shooting, devices)


def _key(device: str) -> int | dict[str, str]:
    """Serial numbers of real cameras have more digits than a machine has cameras."""
    is_number = device.isdecimal() and len(device) < 4
    return int(device) if is_number else {"serial_number": device}
