"""Verdicts of a small line, published to an embedded log or handed over as entries."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from inspector.recipe.alerts import RecipeAlert
from inspector.recipe.recipe import Camera, Recipe, Sensor
from inspector.recipe.recipes import Recipes
from inspector.verdicts.records import inspection_id, verdict_output
from inspector.verdicts.ring import Entry
from protos.inspection.v1.records_pb2 import Inspection
from protos.inspection.v1.verdict_pb2 import ClassProbability, Decision, Modality, ModalityState, Verdict
from streams.embedded.log import EmbeddedLog
from streams.records import Shard, TopicPartition, Topics

TOPICS = Topics("inspection", "a")
SOURCE = TopicPartition("inspection.a.verdicts", 0)
START_NS = time.time_ns() - 3600 * 10**9
PASS, FAIL, REVIEW = Decision.DECISION_PASS, Decision.DECISION_FAIL, Decision.DECISION_REVIEW
PRESENT = ModalityState.MODALITY_STATE_PRESENT


def recipes(*alerts: RecipeAlert) -> Recipes:
    """One recipe for everything, with one camera and one microphone."""
    sensor = Sensor(name="mic", kind="audio", sample_rate_hz=16_000, end_s=0.1)
    return Recipes(
        [
            Recipe(
                name="cup",
                version="1",
                bundle=Path("b"),
                cameras=(Camera(name="top"),),
                sensors=(sensor,),
                alerts=alerts,
            )
        ]
    )


def verdict(
    number: int,
    decision: Decision = PASS,
    *,
    station: str = "s1",
    defect_class: str = "crack",
    sensors: Sequence[Modality] = (),
    bundle: str = "b1",
) -> Verdict:
    modalities = sensors or [Modality(name=name, state=PRESENT, defect_score=0.1) for name in ("top", "mic")]
    made_ns = START_NS + number * 100_000_000
    return Verdict(
        inspection=Inspection(line="a", station=station, piece_id=f"{number:06d}"),
        decision=decision,
        classes=[ClassProbability(name=defect_class, probability=0.9)],
        modalities=modalities,
        bundle_digest=bundle,
        entry_ns=made_ns,
        arrival_ns=made_ns,
        decision_ns=made_ns + 1_000_000,
    )


def scored(number: int, score: float, bundle: str = "b1") -> Verdict:
    """A piece whose microphone has this score."""
    return verdict(number, sensors=[Modality(name="mic", state=PRESENT, defect_score=score)], bundle=bundle)


def entry(verdict: Verdict, offset: int) -> Entry:
    inspection = inspection_id(verdict.inspection)
    append_ns = verdict.decision_ns + 1_000_000
    return Entry(SOURCE, offset, append_ns, inspection, "", verdict.decision, verdict.SerializeToString())


def entries(verdicts: Iterable[Verdict], first: int = 0) -> list[Entry]:
    return [entry(verdict, first + index) for index, verdict in enumerate(verdicts)]


def publish(log: EmbeddedLog, verdicts: Iterable[Verdict]) -> None:
    sink = log.publisher()
    sink.publish([verdict_output(TOPICS, Shard("a", 0), verdict) for verdict in verdicts])
    sink.flush()
    sink.close()
