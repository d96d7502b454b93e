"""The malformed records of the streams, sent inline: each is refused, and the next good piece is answered."""

from collections.abc import Mapping
from typing import TypeAlias

import grpc
import psutil

from inspector.client.client import Client
from inspector.gateway.server import Backend, Gateway
from protos.inspection.v1.service_pb2 import InspectRequest
from streams.join.assembly import AssemblySpec, CameraSpec, SensorSpec
from tests.inspector.gateway.conftest import SETTINGS, CountingJudge
from tests.inspector.gateway.memory_log import MemoryLog
from tests.malformed import CHUNK, FRAME, WITHOUT_FAULT_INLINE, inspection, malformed, request_bytes

Inspect: TypeAlias = "grpc.UnaryUnaryMultiCallable[bytes, bytes]"

SPEC = AssemblySpec((CameraSpec("top"),), (SensorSpec("mic", "audio", 8000.0, end_s=1.0),))


class LineOne:
    def assembly(self, line: str, station: str, product: str) -> AssemblySpec | None:
        return SPEC

    def sensors(self, line: str, station: str) -> Mapping[str, SensorSpec]:
        return {"mic": SPEC.sensors[0]}

    def cameras(self, line: str, station: str) -> frozenset[str]:
        return frozenset({"top"})

    def traces_open(self, line: str, station: str) -> bool:
        return False


def test_each_is_refused_and_the_next_good_piece_is_answered() -> None:
    judge = CountingJudge()
    backend = Backend(MemoryLog(), "t", frozenset({"l1"}), LineOne(), lambda *_: None, judge)
    refused: dict[str, str] = {}
    answered: set[str] = set()
    with Gateway(backend, SETTINGS) as gateway, Client(gateway.address) as client:
        call: Inspect = client._channel.unary_unary("/inspection.v1.InspectionService/Inspect")
        good = InspectRequest(inspection=inspection(), product="a").SerializeToString()
        call(good)
        before = psutil.Process().memory_info().rss
        for record in (record for record in malformed() if record.type in {FRAME, CHUNK}):
            try:
                call(request_bytes(record))
                answered.add(record.name)
            except grpc.RpcError as error:
                refused[record.name] = error.code().name
            call(good)
        grown = psutil.Process().memory_info().rss - before
    assert answered == WITHOUT_FAULT_INLINE
    assert set(refused.values()) == {"INVALID_ARGUMENT"}
    assert len(refused) >= 40
    assert grown < 200e6
