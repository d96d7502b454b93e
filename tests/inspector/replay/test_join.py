"""The synthetic line through the embedded log and the join: every piece comes out as it was made."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.replay.faults import PERFECT, Faults, Silence
from inspector.replay.line import LineSettings, line_records
from inspector.replay.pieces import SimulatedPieces
from inspector.replay.plan import NS, plan
from inspector.simulation.pieces import LineSettings as Simulated
from inspector.simulation.pieces import simulate_piece
from streams.decode.limits import Limits
from streams.decode.records import decode
from streams.embedded import EmbeddedLog
from streams.embedded.source import EmbeddedSource
from streams.join.assembly import AssemblySpec, CameraSpec, JoinSettings, SensorSpec
from streams.join.join import Join
from streams.observation import CloseReason, Observation, State
from streams.records import Topics

BASE_NS = 1_750_000_000 * NS + 987_654_321
TOPICS = Topics("t", "l")
LINE = Simulated(seed=8)
NUM_PIECES = 12
SPEC = AssemblySpec((CameraSpec("top"),), (SensorSpec("mic", "audio", 16_000.0, end_s=0.25),))


class Book:
    """One recipe for every piece."""

    def assembly(self, line: str, station: str, product: str) -> AssemblySpec:
        return SPEC

    def sensors(self, line: str, station: str) -> dict[str, SensorSpec]:
        return {sensor.name: sensor for sensor in SPEC.sensors}

    def cameras(self, line: str, station: str) -> frozenset[str]:
        return frozenset(("top",))

    def traces_open(self, line: str, station: str) -> bool:
        return False


def joined(folder: Path, faults: Faults) -> list[Observation]:
    """The join's output for a run that lies whole in the log; its time advances by 0.9 s a turn."""
    schedule = plan(NUM_PIECES, 12.0, SPEC)
    names = tuple(f"s{number}" for number in range(schedule.num_stations))
    source = SimulatedPieces(LINE, NUM_PIECES)
    records = line_records(source, SPEC, schedule, LineSettings(TOPICS, names, "disc", BASE_NS), faults)
    log = EmbeddedLog(folder / "log.sqlite")
    with closing(log.publisher()) as publisher:
        publisher.publish([record.output for record in records])
    with closing(log.source(["l"], "t", "reader")) as reader:
        gained = reader.poll(1.0)
        join = Join(gained.gained[0], [], Book(), TOPICS, JoinSettings())
        return list(_turns(join, reader))


def _turns(join: Join, reader: EmbeddedSource) -> Iterator[Observation]:
    for turn in range(12):
        batch = reader.poll(0.02)
        for record in batch.records:
            join.add(decode(record, Limits(), "l"))
        yield from join.advance(batch.unread, bool(batch.at_end), turn * 0.9)


@pytest.mark.parametrize("faults", [PERFECT, Faults(duplicate=0.3, jitter_s=0.05, seed=2)], ids=["perfect", "doubled"])
def test_every_piece_comes_out_as_it_was_made(tmp_path: Path, faults: Faults) -> None:
    observations = {observation.inspection.piece_id: observation for observation in joined(tmp_path, faults)}
    assert len(observations) == NUM_PIECES
    for number in range(NUM_PIECES):
        piece = simulate_piece(LINE, number)
        observation = observations[piece.piece_id]
        assert observation.closing is CloseReason.COMPLETE
        assert np.array_equal(observation.views["top"].images[0], piece.image)
        samples = observation.clips["mic"].samples
        assert samples is not None
        assert np.array_equal(samples, piece.sound.astype(np.float32) / np.float32(32768))


def test_a_silent_sensor_is_missing_for_the_pieces_of_that_time(tmp_path: Path) -> None:
    faults = Faults(silences=(Silence("mic", 0.3, 0.6, "s1"),))
    observations = joined(tmp_path, faults)
    assert len(observations) == NUM_PIECES
    absent = {o.inspection.piece_id for o in observations if o.clips["mic"].state is not State.PRESENT}
    schedule = plan(NUM_PIECES, 12.0, SPEC)
    hit = [
        simulate_piece(LINE, entry.number).piece_id
        for entry in schedule.at(1)
        if schedule.entry_ns(entry) < 0.6 * NS and schedule.entry_ns(entry) + 0.25 * NS > 0.3 * NS
    ]
    assert absent == set(hit)
    assert absent


def test_the_image_is_sent_as_the_file_that_it_was() -> None:
    piece = simulate_piece(LINE, 0)
    decoded = cv2.imdecode(np.frombuffer(piece.png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    assert np.array_equal(decoded, piece.image)
