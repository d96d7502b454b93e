"""The unary calls, health and reflection over real channels."""

import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import cv2
import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from inspector.client.client import Client, ClientError
from inspector.engines.engine import LostDeviceError
from inspector.gateway import server
from inspector.gateway.server import SERVICE, Gateway
from inspector.verdicts.feed import FeedPace
from protos.inspection.v1.records_pb2 import (
    CameraFrame,
    Feedback,
    ImagePixels,
    ImageReference,
    Inspection,
    Label,
    PixelFormat,
    SampleFormat,
    Samples,
    SignalKind,
)
from protos.inspection.v1.service_pb2 import InspectRequest, SignalClip
from protos.inspection.v1.verdict_pb2 import Decision, DecisionReason, Verdict
from streams.observation import MissingReason, Observation, State
from streams.records import Record
from tests.inspector.gateway.conftest import CountingJudge
from tests.inspector.gateway.memory_log import MemoryLog
from tests.waiting import until

Put = Callable[..., Record]
Gateways = Callable[..., Gateway]
Clients = Callable[..., Client]

PNG = cv2.imencode(".png", np.full((8, 6), 7, np.uint8))[1].tobytes()
PIECE = Inspection(line="a", station="s", piece_id="000001")


def frame(sequence: int = 0, camera: str = "top", data: bytes = PNG, **more: object) -> CameraFrame:
    pixels = ImagePixels(format=PixelFormat.PIXEL_FORMAT_PNG, data=data)
    return CameraFrame(camera=camera, sequence=sequence, capture_ns=sequence + 1, pixels=pixels, **more)  # type: ignore[arg-type]


def clip(num_samples: int = 4000, rate_hz: float = 8000.0, num_channels: int = 1, sensor: str = "mic") -> SignalClip:
    data = b"\x00\x40" * num_samples * num_channels
    form = SampleFormat.SAMPLE_FORMAT_S16LE
    samples = Samples(format=form, sample_rate_hz=rate_hz, num_channels=num_channels, data=data)
    return SignalClip(sensor=sensor, kind=SignalKind.SIGNAL_KIND_AUDIO, samples=samples)


def request(
    frames: Sequence[CameraFrame] = (), signals: Sequence[SignalClip] = (), product: str = "p"
) -> InspectRequest:
    return InspectRequest(inspection=PIECE, product=product, frames=frames, signals=signals)


def test_inspect_hands_the_judge_what_was_sent(gateways: Gateways, clients: Clients, judge: CountingJudge) -> None:
    verdict = clients(gateways()).inspect(request([frame(1), frame(0)], [clip()]))
    (seen,) = judge.seen
    assert verdict.decision == Decision.DECISION_PASS
    assert [image.shape for image in seen.views["top"].images] == [(8, 6), (8, 6)]
    assert seen.clips["mic"].samples is not None
    assert seen.clips["mic"].samples.shape == (4000, 1)
    assert (seen.entry_ns, seen.capture_ns) == (1, 2)


@pytest.mark.parametrize(
    ("sent", "view", "clip_state"),
    [
        (request(), (State.MISSING, MissingReason.NOT_RECEIVED, 0.0), (State.MISSING, MissingReason.NOT_RECEIVED, 0.0)),
        (
            request([frame()]),
            (State.MISSING, MissingReason.COVERAGE, 0.5),
            (State.MISSING, MissingReason.NOT_RECEIVED, 0.0),
        ),
        (
            request([frame(), frame(1)], [clip(1000)]),
            (State.PRESENT, None, 1.0),
            (State.MISSING, MissingReason.COVERAGE, 0.25),
        ),
        (request([frame(), frame(1)], [clip(3000)]), (State.PRESENT, None, 1.0), (State.PRESENT, None, 0.75)),
    ],
)
def test_inspect_says_what_is_missing(
    gateways: Gateways,
    clients: Clients,
    judge: CountingJudge,
    sent: InspectRequest,
    view: tuple[State, MissingReason | None, float],
    clip_state: tuple[State, MissingReason | None, float],
) -> None:
    clients(gateways()).inspect(sent)
    (seen,) = judge.seen
    top, mic = seen.views["top"], seen.clips["mic"]
    assert (top.state, top.absence, top.coverage) == view
    assert (mic.state, mic.absence, mic.coverage) == clip_state


def test_inspect_fills_a_short_clip_as_the_join_fills_a_gap(
    gateways: Gateways, clients: Clients, judge: CountingJudge
) -> None:
    clients(gateways()).inspect(request([frame(), frame(1)], [clip(3000)]))
    samples = judge.seen[0].clips["mic"].samples
    assert samples is not None
    assert samples[:, 0].tolist() == [0.5] * 3000 + [0.0] * 1000


def test_inspect_without_a_recipe(gateways: Gateways, clients: Clients) -> None:
    verdict = clients(gateways()).inspect(request([frame()], product="unknown"))
    assert verdict.reason == DecisionReason.DECISION_REASON_NO_RECIPE


BOMB_HEADER = PNG[:16] + (60_000).to_bytes(4, "big") * 2 + PNG[24:]


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (InspectRequest(), "line is ''"),
        (InspectRequest(inspection=Inspection(line="a", station="s"), product="p"), "piece_id is ''"),
        (InspectRequest(inspection=PIECE), "product is ''"),
        (request([frame(data=b"")]), "PNG"),
        (request([frame(data=PNG[:-20])]), "PNG"),
        (request([frame(data=BOMB_HEADER)]), ""),
        (request([frame(camera="side")]), "camera is 'side', expected one of the recipe's (top)"),
        (request([frame(2)]), "sequence is 2, expected 0 to 1"),
        (request([frame(), frame()]), "sequence 0 comes twice"),
        (request([CameraFrame(camera="top")]), "no pixels"),
        (request([CameraFrame(camera="top", reference=ImageReference(uri="s3://x"))]), "references are not resolved"),
        (request([frame(inspection=Inspection(line="a", station="s", piece_id="2"))]), "another inspection"),
        (request([frame(product="q")]), "names product 'q'"),
        (request(signals=[clip(rate_hz=44100.0)]), "44100 Hz, expected 8000 Hz"),
        (request(signals=[clip(num_channels=2)]), "2 channels, expected 1"),
        (request(signals=[clip(4001)]), "4001 samples, expected 4000"),
        (request(signals=[clip(0)]), "0 bytes of samples"),
        (request(signals=[clip(sensor="mike")]), "sensor is 'mike'"),
        (request(signals=[clip(), clip()]), "comes twice"),
        (request(signals=[SignalClip(sensor="mic")]), "sample format is 0"),
    ],
)
def test_inspect_refuses_malformed_input_and_answers_the_next(
    gateways: Gateways, clients: Clients, judge: CountingJudge, sent: InspectRequest, says: str
) -> None:
    client = clients(gateways())
    with pytest.raises(ClientError) as refused:
        client.inspect(sent)
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert says in refused.value.detail
    assert judge.seen == []
    assert client.inspect(request([frame(), frame(1)], [clip()])).decision == Decision.DECISION_PASS


def test_inspect_says_that_the_engine_failed(
    gateways: Gateways, clients: Clients, judge: CountingJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(observations: Sequence[Observation]) -> list[Verdict]:
        raise LostDeviceError("run on the device: cudaErrorIllegalAddress")

    monkeypatch.setattr(judge, "judge", lost)
    with pytest.raises(ClientError, match="the engine failed, and the recipe allows no other: run on the device: cuda"):
        clients(gateways()).inspect(request())


def test_inspect_is_bounded(gateways: Gateways, clients: Clients, judge: CountingJudge) -> None:
    release, at_work = threading.Event(), threading.Semaphore(0)
    plain = judge.judge

    def slowly(observations: Sequence[Observation]) -> list[Verdict]:
        at_work.release()
        assert release.wait(60)
        return plain(observations)

    judge.judge = slowly  # type: ignore[method-assign]
    client = clients(gateways(inspect_concurrency=1, inspect_queue=1))
    with ThreadPoolExecutor(3) as threads:
        calls = [threads.submit(client.inspect, request()) for _ in range(3)]
        assert at_work.acquire(timeout=60)
        until(lambda: any(call.done() for call in calls))
        release.set()
        codes = [error.code if isinstance(error := call.exception(), ClientError) else None for call in calls]
    assert sorted(codes, key=str) == [None, None, grpc.StatusCode.RESOURCE_EXHAUSTED]
    assert client.inspect(request()).decision == Decision.DECISION_PASS


def test_a_message_over_the_limit_is_refused(gateways: Gateways, clients: Clients) -> None:
    client = clients(gateways(max_record_bytes=100_000))
    with pytest.raises(ClientError) as refused:
        client.inspect(request([frame(data=b"x" * 400_000)]))
    assert refused.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert re.search(r"the request has 4\d{5} bytes, and the gateway takes \d{6}; ", refused.value.detail)
    assert "raise max_record_bytes in the service's configuration" in refused.value.detail


def test_get_verdict(gateways: Gateways, clients: Clients, put: Put) -> None:
    put(7)
    verdict = clients(gateways()).verdict(Inspection(line="a", station="s0", piece_id="000007"))
    assert verdict.inspection.piece_id == "000007"


def test_feedback_is_in_the_log_when_the_call_returns(
    gateways: Gateways, clients: Clients, log: MemoryLog, put: Put
) -> None:
    put(1, station="s")
    clients(gateways()).submit_feedback(Feedback(inspection=PIECE, label=Label.LABEL_NOK, author="eva", note="dent"))
    (stored,) = log.others
    assert (stored.topic, stored.key, stored.type) == ("t.a.feedback", b"s", "inspection.v1.Feedback")
    kept = Feedback.FromString(stored.value)
    assert (kept.note, kept.given_ns > 0) == ("dent", True)


@pytest.mark.parametrize(
    ("feedback", "says"),
    [
        (Feedback(), "line is ''"),
        (
            Feedback(inspection=Inspection(line="b", station="s", piece_id="1"), label=Label.LABEL_OK),
            "expected one of a",
        ),
        (Feedback(inspection=PIECE), "label is 0"),
        (Feedback(inspection=PIECE, label=Label.LABEL_OK, note="é" * 2049), "4098 bytes"),
        (Feedback(inspection=PIECE, label=Label.LABEL_OK, given_ns=-1), "given_ns is -1"),
        (Feedback(inspection=PIECE, label=Label.LABEL_OK, defects=["d"] * 65), "65 defects"),
    ],
)
def test_feedback_is_checked(
    gateways: Gateways, clients: Clients, log: MemoryLog, feedback: Feedback, says: str
) -> None:
    with pytest.raises(ClientError) as refused:
        clients(gateways()).submit_feedback(feedback)
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert says in refused.value.detail
    assert log.others == []


def test_feedback_for_a_full_log(gateways: Gateways, clients: Clients, log: MemoryLog, put: Put) -> None:
    put(1, station="s")
    log.full = True
    with pytest.raises(ClientError) as refused:
        clients(gateways()).submit_feedback(Feedback(inspection=PIECE, label=Label.LABEL_OK))
    assert refused.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_get_model(gateways: Gateways, clients: Clients) -> None:
    client = clients(gateways())
    assert client.model().bundle == "demo"
    with pytest.raises(ClientError, match="no recipe matches line 'z'"):
        client.model("z")


def test_health_follows_the_feed(gateways: Gateways, clients: Clients) -> None:
    gateway = gateways()
    health = health_pb2_grpc.HealthStub(clients(gateway)._channel)
    for service in ("", SERVICE):
        status = health.Check(health_pb2.HealthCheckRequest(service=service)).status
        assert status == health_pb2.HealthCheckResponse.SERVING


def test_health_is_not_serving_before_the_log_is_read(gateways: Gateways, clients: Clients, log: MemoryLog) -> None:
    log.outage = True
    gateway = gateways(wait=False)
    health = health_pb2_grpc.HealthStub(clients(gateway)._channel)
    check = health_pb2.HealthCheckRequest(service=SERVICE)
    assert health.Check(check).status == health_pb2.HealthCheckResponse.NOT_SERVING
    log.outage = False
    until(lambda: health.Check(check).status == health_pb2.HealthCheckResponse.SERVING)


def test_health_is_not_serving_while_the_log_cannot_be_read(
    gateways: Gateways, clients: Clients, log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "FeedPace", partial(FeedPace, blind_after_s=0.05))
    health = health_pb2_grpc.HealthStub(clients(gateways())._channel)
    check = health_pb2.HealthCheckRequest(service=SERVICE)
    for outage, status in ((True, "NOT_SERVING"), (False, "SERVING")):
        log.outage = outage
        expected = health_pb2.HealthCheckResponse.ServingStatus.Value(status)
        until(partial(has_status, health, check, expected))


def has_status(health: health_pb2_grpc.HealthStub, check: health_pb2.HealthCheckRequest, expected: int) -> bool:
    return bool(health.Check(check).status == expected)


def test_health_is_not_serving_while_the_line_stands_still(gateways: Gateways, clients: Clients) -> None:
    gateway = gateways()
    health = health_pb2_grpc.HealthStub(clients(gateway)._channel)
    for standing, status in ((True, "NOT_SERVING"), (False, "SERVING")):
        gateway.line_stands_still(standing)
        for service in ("", SERVICE):
            check = health_pb2.HealthCheckRequest(service=service)
            until(partial(has_status, health, check, health_pb2.HealthCheckResponse.ServingStatus.Value(status)))


def test_reflection_lists_the_service(gateways: Gateways, clients: Clients) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(clients(gateways())._channel)
    requests = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    (answer,) = stub.ServerReflectionInfo(requests)
    names = {service.name for service in answer.list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health"} <= names
