"""Parts of a live page for tests: a floor over a log, verdicts and their entries."""

import threading

import numpy as np
from prometheus_client import CollectorRegistry

from inspector.recipe.recipes import Recipes
from inspector.verdicts.records import inspection_id
from inspector.verdicts.ring import Entry
from inspector.web.hub import Hub
from inspector.web.media import Media
from inspector.web.metrics import WebMetrics
from inspector.web.settings import WebSettings
from inspector.web.state import Floor
from inspector.web.stream_places import StreamPlaces
from protos.inspection.v1 import verdict_pb2 as pb
from protos.inspection.v1.records_pb2 import Inspection
from streams.log import Log
from streams.observation import Clip, InspectionId, Observation, State, from_files
from streams.records import TopicPartition

SOURCE = TopicPartition("inspection.line-1.verdicts", 0)
MOMENT_NS = 1_790_000_000_000_000_000


def floor_with(settings: WebSettings, log: Log) -> Floor:
    """A floor without archive, review and alerts."""
    metrics = WebMetrics(CollectorRegistry())
    places = StreamPlaces(settings, metrics)
    return Floor(
        settings, "inspection", ("line-1",), Recipes([]), log, Hub(settings, metrics), metrics, places,
        Media(OnePiece(), settings, metrics),
    )  # fmt: skip


class OnePiece:
    """A `PieceReader` that gives every verdict the same recordings: a grey square and a tone of 0.25 s."""

    def __init__(self) -> None:
        self.num_reads = 0
        self.go_on = threading.Event()
        """A reading waits for it."""
        self.go_on.set()

    def observation(self, verdict: pb.Verdict) -> Observation:
        assert self.go_on.wait(60.0)
        self.num_reads += 1
        tone = np.sin(np.arange(4000) * 0.4).astype(np.float32)[:, None]
        clip = Clip("mic", "audio", tone, 16_000.0, State.PRESENT)
        image = np.full((160, 200), 90, np.uint8)
        return from_files(inspection_id(verdict.inspection), verdict.product, [("top", image)], [clip])

    def close(self) -> None:
        pass


def verdict(number: int = 0, station: str = "station-1", **fields: object) -> pb.Verdict:
    """A FAIL by sound of a piece that the picture alone would have passed."""
    message = pb.Verdict(
        inspection=Inspection(line="line-1", station=station, piece_id=f"piece-{number}"),
        product="disc",
        recipe="demo",
        recipe_version="1",
        bundle="demo",
        bundle_version="1",
        engine="onnx/fp32",
        decision=pb.DECISION_FAIL,
        reason=pb.DECISION_REASON_DEFECT,
        defect_score=0.97,
        pass_below=0.1,
        fail_above=0.6,
        classes=[pb.ClassProbability(name="crack", probability=0.96), pb.ClassProbability(name="dent")],
        modalities=[
            pb.Modality(name="top", kind="image", state=pb.MODALITY_STATE_PRESENT, contribution=-0.4, coverage=1),
            pb.Modality(name="mic", kind="audio", state=pb.MODALITY_STATE_PRESENT, contribution=6.1, coverage=1),
        ],
        signals=[pb.SignalEvidence(sensor="mic", start_s=0.02, end_s=0.05, low_hz=5800, high_hz=6400, strength=0.9)],
        entry_ns=MOMENT_NS + number * 10**8,
        capture_ns=MOMENT_NS + number * 10**8,
        publish_ns=MOMENT_NS + number * 10**8 + 40 * 10**6,
    )
    message.MergeFrom(pb.Verdict(**fields))  # type: ignore[arg-type]
    return message


def entry(message: pb.Verdict, offset: int = 0, append_ns: int = MOMENT_NS) -> Entry:
    """The verdict as a feed delivers it."""
    named = message.inspection
    inspection = InspectionId(named.line, named.station, named.piece_id, named.pass_number)
    return Entry(SOURCE, offset, append_ns, inspection, message.product, message.decision, message.SerializeToString())
