"""The same pieces by two ways: as clients send them to `Inspect`, and as a replay publishes and the join joins them."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from inspector.dataset.manifest import read_manifest
from inspector.gateway.request import observation_of
from inspector.recipe.recipe import Recipe
from inspector.recipe.recipes import Recipes
from inspector.replay.faults import PERFECT
from inspector.replay.line import LineSettings, line_records
from inspector.replay.pieces import ManifestPieces
from inspector.replay.plan import NS, plan
from protos.inspection.v1.records_pb2 import CameraFrame, ImagePixels, Inspection
from protos.inspection.v1.service_pb2 import InspectRequest
from streams.decode.limits import Limits
from streams.decode.records import decode
from streams.embedded import EmbeddedLog
from streams.join.assembly import JoinSettings
from streams.join.join import Join
from streams.observation import Observation
from streams.records import Topics

TOPICS = Topics("t", "l")
RATE_HZ = 12.0


def inspected(manifest: Path, recipe: Recipe) -> list[Observation]:
    """As `Inspect` makes them of a request."""
    rows = read_manifest(manifest, "test")
    pieces = ManifestPieces(manifest.parent, rows)
    requests = [
        InspectRequest(
            inspection=Inspection(line="l", station="s0", piece_id=row.piece_id),
            product="disc",
            frames=[
                CameraFrame(
                    camera=shot.camera, sequence=shot.sequence, pixels=ImagePixels(format=shot.format, data=shot.data)
                )
                for shot in pieces.piece(number).shots
            ],
        )
        for number, row in enumerate(rows)
    ]
    return [observation_of(request, Recipes([recipe]), Limits(), NS) for request in requests]


def replayed(manifest: Path, recipe: Recipe, log: EmbeddedLog) -> list[Observation]:
    """As `replay` publishes them and the join puts them together."""
    source = ManifestPieces(manifest.parent, read_manifest(manifest, "test"))
    begin_ns = time.time_ns() - round(len(source) / RATE_HZ * NS)  # a clock that is years behind would void PASS
    settings = LineSettings(TOPICS, ("s0",), "disc", begin_ns)
    records = line_records(source, recipe.assembly, plan(len(source), RATE_HZ, recipe.assembly), settings, PERFECT)
    with closing(log.publisher()) as publisher:
        publisher.publish([record.output for record in records])
    return list(_joined(recipe, log))


def _joined(recipe: Recipe, log: EmbeddedLog) -> Iterator[Observation]:
    with closing(log.source(["l"], "t", "reader")) as reader:
        join = Join(reader.poll(1.0).gained[0], [], Recipes([recipe]), TOPICS, JoinSettings())
        for turn in range(12):
            batch = reader.poll(0.02)
            for record in batch.records:
                join.add(decode(record, Limits(), "l"))
            yield from join.advance(batch.unread, bool(batch.at_end), turn * 0.9)
