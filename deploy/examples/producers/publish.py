"""Where the examples publish: on a broker of Kafka, with records.proto alone, or by a service's configuration.

`127.0.0.1:9092` needs: pip install kafka-python protobuf grpcio-tools, and
python -m grpc_tools.protoc -I protos/inspection/v1 --python_out=. records.proto

`service.toml` needs inspector itself (pip install .) on the service's machine, and takes the log that it names: the
embedded one, or Kafka with its TLS and login.
"""

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType

Send = Callable[[str, bytes, object], str]
"""Kind of topic, key (the station), message; says where the record is."""
PROTOC = "python -m grpc_tools.protoc -I protos/inspection/v1 --python_out=. records.proto"
MAX_REQUEST_BYTES = 8 * 2**20 + 64 * 2**10


def messages(place: str) -> ModuleType:
    """The classes of records.proto. A service's configuration brings its own."""
    try:
        if place.endswith(".toml"):
            from protos.inspection.v1 import records_pb2
        else:
            import records_pb2  # type: ignore[import-not-found,no-redef] # made by PROTOC
    except ImportError as exc:
        sys.exit(
            f"{exc}: with {place}, install inspector into this Python (pip install . in its folder)"
            if place.endswith(".toml")
            else f"{exc}: make it beside this file with\n  pip install kafka-python protobuf grpcio-tools\n  {PROTOC}"
        )
    return records_pb2


def publish(place: str, line: str, send_all: Callable[[Send], None]) -> None:
    """Calls `send_all` with a function that publishes one record; ends when all are stored."""
    if place.endswith(".toml"):
        _by_configuration(Path(place), line, send_all)
    else:
        _on_kafka(place, line, send_all)


def _by_configuration(file: Path, line: str, send_all: Callable[[Send], None]) -> None:
    from inspector.config.opening import open_log_briefly
    from inspector.config.service import load_service
    from streams.encoding import Produced, to_output

    service = load_service(file)
    topics = service.config.topics(line)

    def send(_kind: str, _key: bytes, message: Produced) -> str:
        publisher.publish([to_output(topics, message)])
        return f"in the log of {file}"

    with closing(open_log_briefly(service.path, service.config)) as log, closing(log.publisher()) as publisher:
        send_all(send)


def _on_kafka(servers: str, line: str, send_all: Callable[[Send], None]) -> None:
    try:
        import kafka
    except ImportError as exc:
        sys.exit(f"{exc}: pip install kafka-python")
    producer = kafka.KafkaProducer(
        bootstrap_servers=servers, acks="all", enable_idempotence=True, max_request_size=MAX_REQUEST_BYTES
    )

    def send(kind: str, key: bytes, message: object) -> str:
        sent = producer.send(
            f"inspection.{line}.{kind}",
            key=key,  # the partitioner hashes it with murmur2, as the service expects
            value=message.SerializeToString(),
            headers=[("inspection-type", message.DESCRIPTOR.full_name.encode())],
        )
        return f"at offset {(stored := sent.get(timeout=30)).offset} of partition {stored.partition}"

    with closing(producer):
        send_all(send)
