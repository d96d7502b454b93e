"""Publishes one picture as one piece, to either log; publish.py, beside this file, says what that needs.

python producer.py 127.0.0.1:9092 line-1 station-1 top disc P-4711 P-4711.png [/mnt/frames]
python producer.py service.toml line-1 station-1 top disc P-4711 P-4711.png

A picture larger than a record goes by reference: the file is copied to the last argument, a folder that the service
may read ([references] allowed_prefixes = ["file:///mnt/frames/"]), and the frame says where it lies and its hash.
"""

import hashlib
import pathlib
import shutil
import sys
import time
from types import ModuleType

from publish import Send, messages, publish

MAX_RECORD_BYTES = 8 * 2**20  # as [log] max_record_bytes of the service and the topics
ROOM_BYTES = 64 * 2**10  # for key, headers and the rest of the frame


def content(pb: ModuleType, picture: pathlib.Path, folder: str | None) -> dict[str, object]:
    data = picture.read_bytes()
    form = pb.PIXEL_FORMAT_PNG if picture.suffix == ".png" else pb.PIXEL_FORMAT_JPEG
    if len(data) < MAX_RECORD_BYTES - ROOM_BYTES:
        return {"pixels": pb.ImagePixels(format=form, data=data)}
    if folder is None:
        sys.exit(f"{picture} has {len(data)} bytes, more than a record: name a folder that the service may read")
    stored, digest = pathlib.Path(folder, picture.name).resolve(), hashlib.sha256(data).digest()
    shutil.copyfile(picture, stored)  # before the frame: the service fetches it at once
    reference = pb.ImageReference(uri=stored.as_uri(), sha256=digest, size_bytes=len(data), format=form)
    return {"reference": reference}


def main(place: str, *words: str) -> None:
    pb = messages(place)
    line, station, camera, product, piece, file, *folder = words
    frame = pb.CameraFrame(
        inspection=pb.Inspection(line=line, station=station, piece_id=piece),
        product=product,
        camera=camera,
        capture_ns=time.time_ns(),  # of the exposure
        **content(pb, pathlib.Path(file), folder[0] if folder else None),
    )

    def send_all(send: Send) -> None:
        print(f"{piece} is {send('frames', station.encode(), frame)}")

    publish(place, line, send_all)


if __name__ == "__main__":
    main(*sys.argv[1:])
