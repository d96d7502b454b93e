"""What it costs that a verdict names the records it was judged on: bytes of a verdict, microseconds of a piece.

    python -m tests.benchmarks.inputs

A piece of the demo line (one image, a clip of 0.25 s in chunks of 0.1 s), and a wide one: eight cameras of four images,
four sensors with clips of 1 s in chunks of 10 ms. Offsets are those of a log with a billion records.
"""

import time
from collections.abc import Callable

import numpy as np

from inspector.recipe.decision import DecisionResult
from inspector.verdicts.blank import blank_verdict
from protos.inspection.v1 import verdict_pb2 as pb
from streams.decode.items import Chunk, Origin
from streams.join.assembly import SensorSpec
from streams.join.clips import Cut, SensorStream, Window
from streams.observation import Clip, CloseReason, InspectionId, Observation, State, View

T0, FIRST_OFFSET = 1_700_000_000_000_000_000, 1_000_000_000
RULING = DecisionResult(pb.DECISION_PASS, pb.DECISION_REASON_GOOD)
ROUNDS = 2000


def stream(rate_hz: float, chunk_s: float, length_s: float) -> SensorStream:
    """Chunks of ten sensors that take turns."""
    clip_source, num = SensorStream(SensorSpec("mic", "audio", rate_hz), 0.02), round(rate_hz * chunk_s)
    for number in range(round((length_s + 4 * chunk_s) / chunk_s)):
        first = number * num
        start_ns = T0 + round(first / rate_hz * 1e9)
        origin = Origin("signals", 0, FIRST_OFFSET + 10 * number, start_ns)
        samples = np.random.default_rng(number).normal(size=(num, 1)).astype(np.float32)
        clip_source.place(Chunk(origin, "l", "s", "mic", "audio", "0f8c1c1e-run", first, start_ns, rate_hz, samples))
    return clip_source


def piece(cut: Cut, num_cameras: int, num_frames: int, num_sensors: int, *, is_named: bool) -> Observation:
    image = np.zeros((8, 8), np.uint8)
    offsets = tuple(range(FIRST_OFFSET, FIRST_OFFSET + num_frames)) if is_named else ()
    spans = cut.spans if is_named else ()
    return Observation(
        inspection=InspectionId("line-1", "station-1", "disc-000123"),
        product="disc",
        lot="lot-7",
        closing=CloseReason.COMPLETE,
        views={
            f"camera-{n}": View(f"camera-{n}", (image,) * num_frames, State.PRESENT, offsets=offsets)
            for n in range(num_cameras)
        },
        clips={
            f"mic-{n}": Clip(f"mic-{n}", "audio", cut.samples, 16_000.0, State.PRESENT, first_ns=T0, spans=spans)
            for n in range(num_sensors)
        },
        entry_ns=T0,
        capture_ns=T0,
        append_ns=T0,
        arrival_ns=T0,
        partition=3 if is_named else None,
    )


def us(run: Callable[[], object]) -> float:
    """The fastest of five rounds, in microseconds a call."""
    best = float("inf")
    for _ in range(5):
        start_s = time.perf_counter()
        for _ in range(ROUNDS // 5):
            run()
        best = min(best, (time.perf_counter() - start_s) / (ROUNDS // 5))
    return best * 1e6


def show(name: str, shape: tuple[int, int, int], sound: tuple[float, float, float]) -> None:
    source, window = stream(*sound), Window(T0 + 30_000_000, T0 + 30_000_000 + round(sound[2] * 1e9))
    cut = source.cut(window)
    before, after = (piece(cut, *shape, is_named=named) for named in (False, True))
    sizes = [len(blank_verdict(each, None, RULING).SerializeToString()) for each in (before, after)]
    built = [us(lambda each=each: blank_verdict(each, None, RULING).SerializeToString()) for each in (before, after)]  # type: ignore[misc]
    num_chunks = sum(len(span.offsets) for span in cut.spans)
    print(f"{name}: {shape[0]} cameras x {shape[1]} images, {shape[2]} sensors x {num_chunks} chunks")
    print(f"  bytes of a blank verdict: {sizes[0]} before, {sizes[1]} after, +{sizes[1] - sizes[0]}")
    print(f"  building and serialising it: {built[0]:.1f} us before, {built[1]:.1f} us after")
    print(f"  cutting one clip, spans included: {us(lambda: source.cut(window)):.1f} us")


def main() -> None:
    show("demo", (1, 1, 1), (16_000.0, 0.1, 0.25))
    show("wide", (8, 4, 4), (16_000.0, 0.01, 1.0))


if __name__ == "__main__":
    main()
