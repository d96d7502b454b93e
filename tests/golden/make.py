"""Writes the golden records: `python -m tests.golden.make` adds those that are missing and never changes one.

Each is a serialised message with its expected JSON next to it.
"""

from pathlib import Path

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from protos.inspection.v1 import records_pb2 as records
from protos.inspection.v1 import verdict_pb2 as verdicts
from tests import malformed as parts

FOLDER = Path(__file__).parent / "v1"
_NS = parts.NS
_PIECE = parts.inspection(pass_number=1)
_GREY = parts.picture(6, 8)[..., 0]


def messages() -> dict[str, Message]:
    """Every message of the contract, each field set at least once; the stem of the file by `Type.what`."""
    colour = parts.picture(6, 8)
    frames = {
        "png": parts.frame(parts.png(_GREY), sequence=1, lot="L7", inspection=_PIECE),
        "jpeg": parts.frame(parts.jpeg(colour), records.PIXEL_FORMAT_JPEG, (8, 6)),
        "mono8": parts.frame(_GREY.tobytes(), records.PIXEL_FORMAT_MONO8, (8, 6)),
        "mono16": parts.frame(_GREY.astype("<u2").tobytes(), records.PIXEL_FORMAT_MONO16, (8, 6)),
        "bgr8": parts.frame(colour.tobytes(), records.PIXEL_FORMAT_BGR8, (8, 6)),
        "reference": parts.referring(sha256=bytes(range(32)), size_bytes=12_345, form=records.PIXEL_FORMAT_JPEG),
    }
    events = {
        name: records.PieceEvent.FromString(parts.event(kind=kind, lot="L7", inspection=_PIECE))
        for name, kind in (("entered", 1), ("left", 2), ("aborted", 3))
    }
    whole_numbers = parts.samples(bytes(range(16)), 16_000.0, 2)
    floats = parts.samples(bytes.fromhex("0000803f000000bf00000000"), 0.5, 1, records.SAMPLE_FORMAT_F32LE)
    return {
        **{f"CameraFrame.{name}": records.CameraFrame.FromString(value) for name, value in frames.items()},
        **{f"PieceEvent.{name}": event for name, event in events.items()},
        "SignalChunk.s16": records.SignalChunk.FromString(parts.chunk(whole_numbers, first_sample=4096)),
        "SignalChunk.f32": records.SignalChunk.FromString(parts.chunk(floats, kind=records.SIGNAL_KIND_VIBRATION)),
        "ProcessTrace.f32": records.ProcessTrace.FromString(parts.trace(floats, inspection=_PIECE)),
        "DeadLetter.bad_image": _dead_letter(),
        "Feedback.nok": _feedback(),
        "Verdict.fail": _verdict(),
        "Verdict.inputs": _verdict_with_inputs(),
    }


def _dead_letter() -> records.DeadLetter:
    return records.DeadLetter(
        reason=records.DEAD_LETTER_REASON_BAD_IMAGE,
        detail="the PNG has no end (IEND), expected a whole file: send it again",
        topic="qa.l1.frames",
        partition=3,
        offset=41,
        append_ns=_NS,
        line=parts.LINE,
        station=parts.STATION,
        inspection=_PIECE,
        raw=b"\x89PNG",
        raw_size_bytes=70_000,
        type=parts.FRAME,
    )


def _feedback() -> records.Feedback:
    return records.Feedback(
        inspection=_PIECE, label=records.LABEL_NOK, defects=["scratch"], author="ada", note="left edge", given_ns=_NS
    )


def _verdict() -> verdicts.Verdict:
    return verdicts.Verdict(
        inspection=_PIECE,
        product="a",
        lot="L7",
        recipe="a-at-st-1",
        recipe_version="3",
        bundle="demo",
        bundle_version="1.2",
        engine="onnx/fp32",
        decision=verdicts.DECISION_FAIL,
        reason=verdicts.DECISION_REASON_DEFECT,
        defect_score=0.97,
        pass_below=0.1,
        fail_above=0.9,
        classes=[
            verdicts.ClassProbability(name="scratch", probability=0.97),
            verdicts.ClassProbability(name="hum"),
        ],
        modalities=_modalities(),
        experts=[
            verdicts.ExpertRun(expert="thumbnail", modality="top", ran=True, cost_ms=0.7, why="scout"),
            verdicts.ExpertRun(expert="tiles", modality="top", why="skipped"),
        ],
        images=_image_evidence(),
        signals=[
            verdicts.SignalEvidence(sensor="mic", start_s=0.1, end_s=0.2, low_hz=900.0, high_hz=1100.0, strength=0.5)
        ],
        route="cascade:exit",
        cost_ms=0.9,
        capture_ns=_NS,
        arrival_ns=_NS + 1,
        decision_ns=_NS + 2,
        publish_ns=_NS + 3,
        deadline_missed=True,
        revision=0,
        entry_ns=_NS - 1,
    )


def _verdict_with_inputs() -> verdicts.Verdict:
    span = verdicts.SampleSpan(at=3, stream_id="s-1", first_sample=4096, num_samples=157, offset_steps=[712, 2, 2])
    signal = verdicts.SignalInput(sensor="mic", first_ns=_NS, num_samples=160, spans=[span])
    frame = verdicts.FrameInput(camera="top", offset_steps=[41, 3, -1], bit_depth=12)
    inputs = verdicts.Inputs(partition=3, frames=[frame], signals=[signal])
    return verdicts.Verdict(inspection=_PIECE, decision=verdicts.DECISION_PASS, entry_ns=_NS, inputs=inputs)


def _modalities() -> list[verdicts.Modality]:
    present, missing = verdicts.MODALITY_STATE_PRESENT, verdicts.MODALITY_STATE_MISSING
    return [
        verdicts.Modality(
            name="top", kind="image", state=present, coverage=1.0, gate_weight=1.0, defect_score=0.97, contribution=3.5
        ),
        verdicts.Modality(
            name="mic", kind="audio", state=missing, reason=verdicts.MODALITY_REASON_COVERAGE, coverage=0.25
        ),
    ]


def _image_evidence() -> list[verdicts.ImageEvidence]:
    region = verdicts.ImageRegion(x_px=1, y_px=2, width_px=3, height_px=4, strength=0.9)
    heat_map_png = parts.png(_GREY)
    return [verdicts.ImageEvidence(camera="top", regions=[region], heat_map_png=heat_map_png)]


def main() -> None:
    """Writes missing files."""
    for name, message in messages().items():
        path = FOLDER / f"{name}.bin"
        if not path.exists():
            path.write_bytes(message.SerializeToString(deterministic=True))
            path.with_suffix(".json").write_text(MessageToJson(message, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
