"""Publishes one picture as one piece, from records.proto alone. Needs: pip install kafka-python protobuf grpcio-tools

python -m grpc_tools.protoc -I protos/inspection/v1 --python_out=. records.proto
python producer.py 127.0.0.1:9092 line-1 station-1 top disc P-4711 P-4711.png [/mnt/frames]

A picture larger than a record goes by reference: the file is copied to the last argument, a folder that the service
may read ([references] allowed_prefixes = ["file:///mnt/frames/"]), and the frame says where it lies and its hash.
"""

import hashlib
import pathlib
import shutil
import sys
import time

import kafka
import records_pb2 as pb  # type: ignore[import-not-found] # made by the first command

MAX_RECORD_BYTES = 8 * 2**20  # as [log] max_record_bytes of the service and the topics
ROOM_BYTES = 64 * 2**10  # for key, headers and the rest of the frame


def content(picture: pathlib.Path, folder: str | None) -> dict[str, object]:
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


def main(servers: str, *words: str) -> None:
    line, station, camera, product, piece, file, *folder = words
    frame = pb.CameraFrame(
        inspection=pb.Inspection(line=line, station=station, piece_id=piece),
        product=product,
        camera=camera,
        capture_ns=time.time_ns(),  # of the exposure
        **content(pathlib.Path(file), folder[0] if folder else None),
    )
    producer = kafka.KafkaProducer(
        bootstrap_servers=servers, acks="all", enable_idempotence=True, max_request_size=MAX_RECORD_BYTES + ROOM_BYTES
    )
    done = producer.send(
        f"inspection.{line}.frames",
        key=station.encode(),  # the partitioner hashes it with murmur2, as the service expects
        value=frame.SerializeToString(),
        headers=[("inspection-type", b"inspection.v1.CameraFrame")],
    ).get(timeout=30)
    producer.close()
    print(f"{piece} is at offset {done.offset} of partition {done.partition}")


if __name__ == "__main__":
    main(*sys.argv[1:])
