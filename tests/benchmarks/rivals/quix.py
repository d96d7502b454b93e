"""The same work as a Quix Streams application, exactly once. A process, run by the peers' interpreter.

    python -m tests.benchmarks.rivals.quix --bootstrap HOST:PORT --prefix NAME --bundle FOLDER --state FOLDER

Three topics are concatenated and joined by a stateful function over each station's state store, which the library
keeps in RocksDB and in a changelog topic; results, changelog and positions are committed in one transaction. The
library gives functions one record at a time: experts run on one piece each.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from quixstreams import Application, State

from protos.inspection.v1.records_pb2 import CameraFrame, Inspection, PieceEvent, SignalChunk
from tests.benchmarks.rivals.joining import Joined, samples_of, window
from tests.benchmarks.rivals.loop import LINE, WINDOW_SAMPLES, arguments, member_settings
from tests.benchmarks.rivals.model import Model, Piece
from tests.benchmarks.rivals.results import result_bytes

KEPT = 10
"""Chunks of each station: one second."""


def main() -> None:
    options = arguments()
    model = Model(options.bundle)
    app = Application(
        broker_address=options.bootstrap,
        consumer_group=options.prefix,
        processing_guarantee="exactly-once",
        commit_interval=options.commit,
        auto_offset_reset="earliest",
        auto_create_topics=True,
        state_dir=options.state,
        consumer_poll_timeout=0.02,
        consumer_extra_config=member_settings(options.prefix, options.member),
        # The name of the transactions is the member's: a successor ends those of a killed process at once.
        producer_extra_config={
            "transactional.id": f"{options.prefix}-{options.member}",
            "transaction.timeout.ms": 10_000,
            "linger.ms": 5,
        },
    )
    frames, signals, pieces = (
        app.dataframe(app.topic(f"{options.prefix}.{LINE}.{kind}", key_deserializer="str", value_deserializer="bytes"))
        for kind in ("frames", "signals", "pieces")
    )
    joined = (
        frames.apply(lambda value: ("frame", value))
        .concat(signals.apply(lambda value: ("chunk", value)))
        .concat(pieces.apply(lambda value: ("event", value)))
        .apply(join, stateful=True, expand=True)
    )
    results = joined.apply(lambda item: judge(model, item))
    verdicts = app.topic(f"{options.prefix}.{LINE}.verdicts", key_serializer="str", value_serializer="bytes")
    results.to_topic(verdicts)
    app.run()


def judge(model: Model, item: Joined) -> bytes:
    (judgement,) = model.judge([item.piece])
    return result_bytes(item.inspection, item.capture_ns, judgement)


def join(record: tuple[str, bytes], state: State) -> Iterable[Joined]:
    """Pieces that this record of a station completes. Pictures and chunks are kept as the bytes of their records."""
    kind, value = record
    waiting: dict[str, dict[str, Any]] = state.get("open", {})
    chunks: list[list[int]] = state.get("chunks", [])
    if kind == "chunk":
        chunk = SignalChunk.FromString(value)
        state.set_bytes(f"chunk-{chunk.first_sample}", value)
        chunks.append([chunk.first_sample, chunk.start_ns])
        for old, _ in chunks[:-KEPT]:
            state.delete(f"chunk-{old}")
        chunks = chunks[-KEPT:]
        state.set("chunks", chunks)
    elif kind == "frame":
        frame = CameraFrame.FromString(value)
        state.set_bytes(f"frame-{frame.inspection.piece_id}", value)
        waiting.setdefault(frame.inspection.piece_id, {})["has_frame"] = True
    else:
        event = PieceEvent.FromString(value)
        waiting.setdefault(event.inspection.piece_id, {})["entered_ns"] = event.event_ns
    complete = list(_complete(waiting, chunks, state)) if waiting else []
    if kind != "chunk" or complete:
        state.set("open", waiting)
    return complete


def _complete(waiting: dict[str, dict[str, Any]], chunks: list[list[int]], state: State) -> Iterable[Joined]:
    """Takes the pieces that have picture, entry and the whole window out of those that wait."""
    sounds = None
    for piece_id, piece in list(waiting.items()):
        if "has_frame" not in piece or "entered_ns" not in piece or not _covers(chunks, piece["entered_ns"]):
            continue
        if sounds is None:
            sounds = [_sound(state, first) for first, _ in chunks]
        sound = window(sounds, piece["entered_ns"], WINDOW_SAMPLES)
        if sound is None:
            continue
        frame = CameraFrame.FromString(state.get_bytes(f"frame-{piece_id}", b""))
        inspection = Inspection.FromString(frame.inspection.SerializeToString())
        yield Joined(inspection, frame.capture_ns, Piece(frame.pixels.data, sound))
        state.delete(f"frame-{piece_id}")
        del waiting[piece_id]


def _covers(chunks: list[list[int]], start_ns: int) -> bool:
    """Whether the newest chunk can reach the window's end: spares reading the others before."""
    return bool(chunks) and chunks[-1][1] + 100_000_000 >= start_ns + WINDOW_SAMPLES * 62_500 - 62_500


def _sound(state: State, first_sample: int) -> tuple[int, int, "np.ndarray[Any, np.dtype[np.float32]]"]:
    chunk = SignalChunk.FromString(state.get_bytes(f"chunk-{first_sample}", b""))
    return chunk.first_sample, chunk.start_ns, samples_of(chunk.samples)


if __name__ == "__main__":
    main()
