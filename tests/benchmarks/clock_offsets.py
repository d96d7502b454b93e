"""Sets the clock of a camera or microphone wrong; prints the warnings, their delay, and the pieces that pass meanwhile.

    python -m tests.benchmarks.clock_offsets
    python -m tests.benchmarks.clock_offsets --service

A piece a second, sound in chunks of 0.1 s, 0.02 to 0.12 s of transport; the camera takes 0.3 s more. "Foreign" is a
piece that passes with sound of which more than half belongs to other pieces. With `--service` some of it goes through
`inspector serve` on the embedded log in real time, with records of the wire.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tests.streams.join.clock_line import FIRST_S, ClockLine, Offset, Outcome, constant, drifting, jump

OFFSETS_S = (0.1, 1.0, 18.0, 37.0, 3600.0)
STEPS_S = [0.1 * number for number in range(1, 21)]
NUM_PIECES = 60
DRIFT_PIECES = 4 * 3600
CAMERA_S, JITTER_S = 0.3, 0.1


@dataclass(frozen=True)
class LineResult:
    """Verdicts, warnings and dead letters of one line."""

    outcomes: list[Outcome]
    warnings: list[str]
    warned_s: list[float]
    letters: list[str]

    @property
    def first_void(self) -> int | None:
        """Number of the first piece, in order of time, that does not pass."""
        return next((number for number, outcome in enumerate(self.outcomes) if not outcome.passes), None)

    @property
    def num_passes(self) -> int:
        return sum(outcome.passes for outcome in self.outcomes)

    @property
    def num_foreign(self) -> int:
        return sum(outcome.passes and outcome.is_foreign for outcome in self.outcomes)

    @property
    def message(self) -> str:
        doubts = [outcome.doubt for outcome in self.outcomes if outcome.doubt]
        return next(iter([*doubts, *self.letters, *self.warnings]), "nothing") + self.drift

    @property
    def drift(self) -> str:
        """First warning about a drift, with its time."""
        timed = zip(self.warned_s, self.warnings, strict=True)
        first = next(((at_s, line) for at_s, line in timed if "ppm" in line), None)
        return "" if first is None else f"; after {first[0] / 60:.1f} min: {first[1]}"


def run(
    source: str, offset: Offset, num_pieces: int = NUM_PIECES, *, camera_s: float = CAMERA_S, jitter_s: float = JITTER_S
) -> LineResult:
    """Where the camera is off, so are the piece events: the station has one clock, the microphone another."""
    offsets = {"top": offset, "events": offset} if source == "camera" else {"mic": offset}

    def quick(random: Random) -> float:
        return 0.02 + random.uniform(0.0, jitter_s)

    transport = {"events": quick, "mic": quick, "top": lambda random: camera_s + quick(random)}
    line = ClockLine(offsets, transport, num_pieces=num_pieces)
    outcomes = sorted(line.run(), key=lambda outcome: outcome.true_s)
    return LineResult(outcomes, line.warnings, line.warned_s, line.letters)


def simulated() -> Iterator[str]:
    yield "| source | fault | verdicts | PASS | PASS on foreign sound | first piece not passed | message |"
    yield "|---|---|---|---|---|---|---|"
    for source in ("camera", "microphone"):
        for size_s in OFFSETS_S:
            for offset_s in (-size_s, size_s):
                yield _row(source, f"{offset_s:+g} s from the start", run(source, constant(offset_s)))
        for offset_s in (-18.0, -1.0, 1.0):
            result = run(source, jump(FIRST_S + 29.5, offset_s))
            yield _row(source, f"{offset_s:+g} s from piece 30 on", result)
        for ppm in (-100.0, 100.0):
            yield _row(source, f"drift {ppm:+g} ppm, 4 h", run(source, drifting(ppm), DRIFT_PIECES))


def _row(source: str, fault: str, result: LineResult) -> str:
    first = result.first_void
    cells = (
        source,
        fault,
        f"{len(result.outcomes)}",
        f"{result.num_passes}",
        f"{result.num_foreign}",
        "none" if first is None else f"{first} (of {len(result.outcomes)})",
        result.message,
    )
    return f"| {' | '.join(cells)} |"


def smallest() -> Iterator[str]:
    """The smallest offset at which nothing passes, in steps of 0.1 s."""
    yield "| source | way | transport: camera later by, jitter | smallest offset from which on nothing passes |"
    yield "|---|---|---|---|"
    for source in ("camera", "microphone"):
        for sign, way in ((-1, "behind"), (1, "ahead")):
            for camera_s, jitter_s in ((0.0, 0.02), (0.3, 0.1), (0.3, 0.4)):
                passing_s = [
                    size_s
                    for size_s in STEPS_S
                    if run(source, constant(sign * size_s), 30, camera_s=camera_s, jitter_s=jitter_s).num_passes
                ]
                least = f"{max(passing_s, default=0.0) + 0.1:.1f} s"
                yield f"| {source} | {way} | {camera_s:g} s, {jitter_s:g} s | {least} |"


def main() -> None:
    """Prints the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service", action="store_true", help="a few offsets through `inspector serve`, in real time")
    if parser.parse_args().service:
        from tests.benchmarks.clock_service import through_the_service

        for line in through_the_service():
            print(line, flush=True)
        return
    for table in (smallest(), simulated()):
        for line in table:
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
