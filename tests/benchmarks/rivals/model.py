"""Turns pictures and sounds into decisions with the bundle's graphs: what a peer writes around ONNX Runtime in a day.

Reads nothing of the product but the bundle's files: no plausibility, no evidence, no part of a picture, no missing
modality. Its decisions on complete pieces are those of the service; a test compares them.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

PASS, FAIL, REVIEW = 1, 2, 3
"""The numbers of `Decision` on the wire."""
MAX_BATCH = 16


class Piece(NamedTuple):
    """What a piece brought."""

    picture: bytes
    """A file such as PNG."""
    sound: NDArray[np.float32]
    """(samples,)"""


class Judgement(NamedTuple):
    decision: int
    score: float
    in_full: bool
    """Whether every expert ran."""


@dataclass(frozen=True)
class Expert:
    name: str
    session: ort.InferenceSession
    form: Mapping[str, Any]
    num_tokens: int
    is_scout: bool


def session(path: Path) -> ort.InferenceSession:
    """One thread and no spinning, as the service opens its graphs."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Model:
    """A bundle whose policy is a cascade of one camera and one sensor. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        content = json.loads((folder / "bundle.json").read_text())
        self._experts = [
            Expert(e["name"], session(folder / e["file"]), e["input"], e["num_tokens"], e["scout"])
            for e in content["experts"]
        ]
        self._head = session(folder / content["head"]["file"])
        self._width, self._num_outputs = content["token_dim"], 1 + len(content["classes"])
        self._low, self._high = content["policy"]["low"], content["policy"]["high"]
        calibrations = {frozenset(each["experts"]): each for each in content["calibrations"]}
        self._scouts_only = calibrations[frozenset(e.name for e in self._experts if e.is_scout)]
        self._in_full = calibrations[frozenset(e.name for e in self._experts)]

    def judge(self, pieces: Sequence[Piece]) -> list[Judgement]:
        """One judgement each, in order: scouts on all, the other experts where the score is between the limits."""
        pictures = [_grey(piece.picture) for piece in pieces]
        sounds = [piece.sound for piece in pieces]
        everyone = list(range(len(pieces)))
        outputs = {e.name: self._run(e, pictures, sounds, everyone) for e in self._experts if e.is_scout}
        logits = self._fuse(outputs, everyone)
        scores = [_probability(logit, self._scouts_only) for logit in logits]
        unsure = [row for row in everyone if self._low <= scores[row] <= self._high]
        judgements = [_decide(score, self._scouts_only, in_full=False) for score in scores]
        if not unsure:
            return judgements
        parts = {name: {k: values[unsure] for k, values in out.items()} for name, out in outputs.items()}
        parts |= {e.name: self._run(e, pictures, sounds, unsure) for e in self._experts if not e.is_scout}
        for row, logit in zip(unsure, self._fuse(parts, unsure), strict=True):
            judgements[row] = _decide(_probability(logit, self._in_full), self._in_full, in_full=True)
        return judgements

    def _run(
        self, expert: Expert, pictures: list[NDArray[np.uint8]], sounds: list[NDArray[np.float32]], rows: list[int]
    ) -> dict[str, NDArray[np.float32]]:
        form = expert.form
        if form["type"] == "image":
            feed = np.stack([_picture_input(pictures[row], form) for row in rows])
        else:
            feed = np.stack([sounds[row][None, : form["num_samples"]] for row in rows])
        tokens, logits = expert.session.run(["tokens", "logits"], {"input": feed})
        return {"tokens": tokens, "logits": logits}

    def _fuse(self, outputs: Mapping[str, Mapping[str, NDArray[np.float32]]], rows: list[int]) -> list[float]:
        """The head's defect logit of each row; experts that did not run give zeros."""
        num = len(rows)
        feed = {"present": np.zeros((num, len(self._experts)), np.float32)}
        for column, expert in enumerate(self._experts):
            ran = outputs.get(expert.name)
            if ran is None:
                feed[f"tokens_{expert.name}"] = np.zeros((num, expert.num_tokens, self._width), np.float32)
                feed[f"logits_{expert.name}"] = np.zeros((num, self._num_outputs), np.float32)
            else:
                feed["present"][:, column] = 1
                feed[f"tokens_{expert.name}"], feed[f"logits_{expert.name}"] = ran["tokens"], ran["logits"]
        (logits,) = self._head.run(["logits"], feed)
        return [float(value) for value in logits[:, 0]]


def _grey(data: bytes) -> NDArray[np.uint8]:
    """(H, W). Raises ValueError."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise ValueError(f"{len(data)} bytes are no picture")
    return image  # type: ignore[return-value]


def _picture_input(image: NDArray[np.uint8], form: Mapping[str, Any]) -> NDArray[np.float32]:
    """(1, 1, H, W): one tile, one channel."""
    size = (form["tile_width_px"], form["tile_height_px"])
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    scaled: NDArray[np.float32] = (small.astype(np.float32) / 255.0 - form["mean"]) / form["std"]
    return scaled[None, None]


def _probability(logit: float, calibration: Mapping[str, float]) -> float:
    return 1.0 / (1.0 + math.exp(-(logit / calibration["temperature"] + calibration["bias"])))


def _decide(score: float, calibration: Mapping[str, float], in_full: bool) -> Judgement:
    if score > calibration["fail_above"]:
        return Judgement(FAIL, score, in_full)
    return Judgement(PASS if score < calibration["pass_below"] else REVIEW, score, in_full)
