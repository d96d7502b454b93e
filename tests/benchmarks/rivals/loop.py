"""The plain loop: consumer, OpenCV, ONNX Runtime, producer; at most once. A process, run by the peers' interpreter.

    python -m tests.benchmarks.rivals.loop --bootstrap HOST:PORT --prefix NAME --bundle FOLDER --member 0

At most once as the client's documentation writes it: positions are committed before the records are worked on.
librdkafka reads ahead in its own threads, and records are taken in batches, so that pieces share runs of the experts.
"""

import argparse
import signal
from pathlib import Path
from types import FrameType

from confluent_kafka import Consumer, Message, Producer

from tests.benchmarks.rivals.joining import DictJoin, Joined
from tests.benchmarks.rivals.model import MAX_BATCH, Model
from tests.benchmarks.rivals.results import result_bytes

WINDOW_SAMPLES = 4000
LINE = "line-1"
MOST_RECORDS, WAIT_S = 500, 0.02
"""One turn: the service waits as long for further verdicts."""

_running = True


def _stop(_signal: int, _frame: FrameType | None) -> None:
    global _running
    _running = False


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--member", type=int, default=0)
    parser.add_argument("--state", type=Path, help="folder for state on disk")
    parser.add_argument("--commit", type=float, default=0.1, help="seconds between transactions, where there are some")
    return parser.parse_args()


def member_settings(prefix: str, member: int) -> dict[str, str | int | bool]:
    """Static membership (KIP-345): a member that restarts under its name gets its partitions back at once."""
    return {"group.instance.id": f"{prefix}-{member}", "session.timeout.ms": 10_000}


def main() -> None:
    options = arguments()
    signal.signal(signal.SIGTERM, _stop)
    model, join = Model(options.bundle), DictJoin(WINDOW_SAMPLES)
    consumer = Consumer(
        {
            "bootstrap.servers": options.bootstrap,
            "group.id": options.prefix,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            **member_settings(options.prefix, options.member),
        }
    )
    producer = Producer({"bootstrap.servers": options.bootstrap, "linger.ms": 5})
    topics = [f"{options.prefix}.{LINE}.{kind}" for kind in ("frames", "signals", "pieces")]
    consumer.subscribe(topics, on_assign=lambda _, partitions: print(f"assigned {len(partitions)}", flush=True))
    output = f"{options.prefix}.{LINE}.verdicts"
    while _running:
        messages = [m for m in consumer.consume(MOST_RECORDS, WAIT_S) if m.error() is None]
        if messages:
            consumer.commit(asynchronous=False)
        waiting = [joined for message in messages for joined in join.add(type_of(message), message.value() or b"")]
        for start in range(0, len(waiting), MAX_BATCH):
            _judge(model, producer, output, waiting[start : start + MAX_BATCH])
        producer.poll(0)
    producer.flush(10)
    consumer.close()


def _judge(model: Model, producer: Producer, topic: str, joined: list[Joined]) -> None:
    for item, judgement in zip(joined, model.judge([item.piece for item in joined]), strict=True):
        value = result_bytes(item.inspection, item.capture_ns, judgement)
        producer.produce(topic, value, item.inspection.station.encode())


def type_of(message: Message) -> str:
    """The record's type header."""
    headers = dict(message.headers() or [])
    return bytes(headers.get("inspection-type") or b"").decode()


if __name__ == "__main__":
    main()
