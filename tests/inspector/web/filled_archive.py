"""Fills an archive with made verdicts: the pages' tests and their benchmark need many, and know what to expect."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import insert, select

from inspector.archive.body import pack
from inspector.archive.database import Database
from inspector.archive.migrate import upgrade
from inspector.archive.schema import HEAT_MAPS, STATIONS, TOPICS, VERDICT_BODIES, VERDICT_SENSORS, VERDICTS
from protos.inspection.v1.verdict_pb2 import Decision, DecisionReason, ModalityState, Verdict

NS = 10**9
START_NS = 1_764_489_600 * NS
"""2025-11-30 08:00 UTC."""
TAKT_NS = NS // 12
CHUNK = 20_000
FAIL_EVERY, REVIEW_EVERY = 20, 33
CLASSES = ("crack", "scratch", "dent")


@dataclass
class Names:
    """What the made pieces are called."""

    lines: Sequence[str] = ("line-1",)
    stations: Sequence[str] = ("press", "drill")
    product: str = "housing"
    lot: str = "lot-{}"
    piece: str = "piece-{:07d}"
    classes: Sequence[str] = CLASSES
    bundle: str = "demo"
    sensors: Sequence[tuple[str, str]] = field(default_factory=lambda: [("top", "image"), ("mic", "audio")])
    expert: str = "cnn"


def decision_of(number: int) -> Decision:
    """FAIL for every 20th piece, REVIEW for every 33rd of the others."""
    if number % FAIL_EVERY == 7:
        return Decision.DECISION_FAIL
    return Decision.DECISION_REVIEW if number % REVIEW_EVERY == 5 else Decision.DECISION_PASS


_SCORES = {Decision.DECISION_FAIL: 0.93, Decision.DECISION_REVIEW: 0.48, Decision.DECISION_PASS: 0.08}
_REASONS = {
    Decision.DECISION_FAIL: DecisionReason.DECISION_REASON_DEFECT,
    Decision.DECISION_REVIEW: DecisionReason.DECISION_REASON_UNCERTAIN,
    Decision.DECISION_PASS: DecisionReason.DECISION_REASON_GOOD,
}


def verdict_of(number: int, names: Names | None = None, entry_ns: int | None = None) -> Verdict:
    """The made verdict with this number; the sensor is missing for every 50th."""
    names = names or Names()
    entry_ns = START_NS + number * TAKT_NS if entry_ns is None else entry_ns
    decision = decision_of(number)
    verdict = Verdict(
        product=names.product,
        lot=names.lot.format(number // 500),
        recipe="housing",
        recipe_version="3",
        bundle=names.bundle,
        bundle_version="1.2",
        bundle_digest="0123456789ab",
        engine="onnx/fp32",
        deployment=4,
        decision=decision,
        reason=_REASONS[decision],
        defect_score=_SCORES[decision] + (number % 50) / 1000,
        pass_below=0.3,
        fail_above=0.7,
        route="cascade:full",
        cost_ms=4.5,
        capture_ns=entry_ns + 10**6,
        arrival_ns=entry_ns + 20 * 10**6,
        decision_ns=entry_ns + 40 * 10**6,
        publish_ns=entry_ns + (40 + number % 100) * 10**6,
        entry_ns=entry_ns,
    )
    inspection = verdict.inspection
    inspection.line = names.lines[number % len(names.lines)]
    inspection.station = names.stations[number % len(names.stations)]
    inspection.piece_id = names.piece.format(number)
    for place, name in enumerate(names.classes):
        verdict.classes.add(name=name, probability=0.9 if place == number % len(names.classes) else 0.02)
    for place, (sensor, kind) in enumerate(names.sensors):
        is_missing = place == 1 and number % 50 == 3
        state = ModalityState.MODALITY_STATE_MISSING if is_missing else ModalityState.MODALITY_STATE_PRESENT
        verdict.modalities.add(name=sensor, kind=kind, state=state, coverage=1, gate_weight=0.5, contribution=0.8)
        verdict.experts.add(expert=names.expert, modality=sensor, ran=not is_missing, cost_ms=2.1, why="routed")
    return verdict


class FilledArchive:
    """An archive that made verdicts are put into; each call goes on behind the last."""

    def __init__(self, database: Database, names: Names | None = None) -> None:
        self.database, self.names = database, names or Names()
        self.num_verdicts = 0
        upgrade(database)
        with database.write() as connection:
            connection.execute(insert(TOPICS).values(name="inspection.line-1.verdicts", identity="made"))
            self._topic = connection.execute(select(TOPICS.c.id)).scalar_one()

    def fill(self, count: int, *, bodies: bool = True, start_ns: int | None = None) -> None:
        """`start_ns` is the entry of the first one; they follow at 12 a second."""
        for first in range(self.num_verdicts, self.num_verdicts + count, CHUNK):
            numbers = range(first, min(first + CHUNK, self.num_verdicts + count))
            shift_ns = 0 if start_ns is None else start_ns - (START_NS + self.num_verdicts * TAKT_NS)
            made = [(each, verdict_of(each, self.names, START_NS + each * TAKT_NS + shift_ns)) for each in numbers]
            self._store(made, bodies)
        self.num_verdicts += count

    def put(self, verdict: Verdict) -> int:
        """Stores this verdict; its key."""
        self._store([(self.num_verdicts, verdict)], True)
        self.num_verdicts += 1
        with self.database.read() as connection:
            return connection.execute(select(VERDICTS.c.key).order_by(VERDICTS.c.key.desc()).limit(1)).scalar_one()

    def _store(self, made: Sequence[tuple[int, Verdict]], bodies: bool) -> None:
        rows = [self._row(number, verdict) for number, verdict in made]
        with self.database.write() as connection:
            connection.execute(insert(VERDICTS), rows)
            known = {(row.line, row.station, row.product) for row in connection.execute(select(STATIONS))}
            new = {(row["line"], row["station"], row["product"]): row["entry_ns"] for row in rows}
            stations = [
                {"line": line, "station": station, "product": product, "first_ns": entry_ns, "last_ns": entry_ns}
                for (line, station, product), entry_ns in new.items()
                if (line, station, product) not in known
            ]
            if stations:
                connection.execute(insert(STATIONS), stations)
            sensors = [sensor for row, (_, verdict) in zip(rows, made, strict=True) for sensor in _absent(row, verdict)]
            if sensors:
                connection.execute(insert(VERDICT_SENSORS), sensors)
            if bodies:
                self._store_bodies(connection, rows, made)

    def _store_bodies(self, connection, rows, made) -> None:
        packed = [(row["key"], pack(verdict)) for row, (_, verdict) in zip(rows, made, strict=True)]
        connection.execute(insert(VERDICT_BODIES), [{"verdict_key": key, "body": each.body} for key, each in packed])
        maps = [
            {"verdict_key": key, "image": place, "png": png}
            for key, each in packed
            for place, png in each.heat_maps.items()
        ]
        if maps:
            connection.execute(insert(HEAT_MAPS), maps)

    def _row(self, number: int, verdict: Verdict) -> dict[str, object]:
        named = verdict.inspection
        likeliest = max(verdict.classes, key=lambda each: each.probability, default=None)
        has_class = verdict.decision != Decision.DECISION_PASS
        return {
            "key": number + 1,
            "topic_id": self._topic, "partition": 0, "offset": number,
            "line": named.line, "station": named.station, "piece_id": named.piece_id, "pass_number": named.pass_number,
            "product": verdict.product, "lot": verdict.lot, "recipe": verdict.recipe,
            "recipe_version": verdict.recipe_version, "bundle": verdict.bundle,
            "bundle_version": verdict.bundle_version, "bundle_digest": verdict.bundle_digest, "engine": verdict.engine,
            "deployment": verdict.deployment, "route": verdict.route, "decision": verdict.decision,
            "reason": verdict.reason, "defect_class": likeliest.name if has_class and likeliest else "",
            "score": verdict.defect_score if verdict.HasField("defect_score") else None,
            "pass_below": verdict.pass_below, "fail_above": verdict.fail_above, "cost_ms": verdict.cost_ms,
            "deadline_missed": verdict.deadline_missed, "entry_ns": verdict.entry_ns, "capture_ns": verdict.capture_ns,
            "arrival_ns": verdict.arrival_ns, "decision_ns": verdict.decision_ns, "publish_ns": verdict.publish_ns,
            "append_ns": verdict.publish_ns + 10**6, "day": verdict.entry_ns // (86_400 * NS), "stored_bytes": 500,
        }  # fmt: skip


def _absent(row: dict[str, object], verdict: Verdict) -> Iterator[dict[str, object]]:
    for modality in verdict.modalities:
        if modality.state != ModalityState.MODALITY_STATE_PRESENT:
            yield {"verdict_key": row["key"], "sensor": modality.name, "state": modality.state, "reason": 1}
