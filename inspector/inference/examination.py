"""Runs experts of one model on pieces and holds their outputs. Decides nothing.

Letters: P pieces, R rows asked for, E experts, N tokens, D width of a token, O = 1 + K outputs.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from encoders.front_end import Image, prepare_clip, prepare_image
from inspector.bundle.schema import Bundle, Expert, ImageInput, SignalInput, input_shape
from inspector.engines.engine import Array
from inspector.framing.placement import Placement
from inspector.inference.batching import Result, run_batched
from inspector.inference.framed_views import FramedViews
from inspector.inference.model import Model
from inspector.plausibility.limits import Strictness
from inspector.plausibility.sources import Kept, believed, watcher
from streams.observation import Clip, MissingReason, Observation, State

BATCH_BYTES = 2**23
"""Of input per run: 16 pictures of 320 px, 20 MB, cost twice as much each as 6 do, for memory fetched again."""


@dataclass(frozen=True, slots=True)
class ExpertOutput:
    """The output of one expert on one piece; of several images the one most like a defect stands for the camera."""

    outputs: Mapping[str, Array]
    image: int
    """Index of the image."""

    @property
    def defect_logit(self) -> float:
        return float(self.outputs["logits"][0])


@dataclass(frozen=True, slots=True)
class Fused:
    """The head's answer on one piece; None in place of this where the graph failed."""

    logits: Array
    gate: Array


Strict = Sequence[Mapping[str, Strictness]]
"""Per piece, by camera and sensor, how strictly plausibility is applied; the default is on."""

Prepared = Callable[[int, int], Array | None]
"""An input that was already prepared for a piece's image, or for its clip (index 0)."""


class Examination:
    def __init__(
        self, model: Model, pieces: Sequence[Observation], max_batch: int, strictness: Strict | None = None
    ) -> None:
        schema = model.schema
        self._kept, self.framed = Kept(), FramedViews(model.framers)
        self.pieces = self._believed(schema, pieces, [{}] * len(pieces) if strictness is None else strictness)
        """As received; implausible sources are marked."""
        self.model, self._max_batch = model, max_batch
        self.present = [_present(piece) & {m.name for m in schema.modalities} for piece in self.pieces]
        self.implausible = [_implausible(piece) for piece in self.pieces]
        """Per piece, cameras and sensors that cannot be believed: nothing passes. Experts look at none of them but at
        pictures of another size, which neither pass nor fail a piece."""
        self.expert_outputs: list[dict[str, ExpertOutput]] = [{} for _ in pieces]
        """Per piece, by expert."""
        self.costs_ms: list[dict[str, float]] = [{} for _ in pieces]
        """Per piece, by expert that ran."""
        self.head_ms = [0.0] * len(pieces)
        self.failed: set[int] = set()
        """Pieces that a graph failed on."""

    def _believed(self, schema: Bundle, pieces: Sequence[Observation], strictness: Strict) -> Sequence[Observation]:
        return believed(schema, self.framed.placed(pieces), strictness, self._kept, self.framed.image)

    def placement(self, row: int, camera: str, index: int) -> Placement | None:
        """Where in an image of a piece the experts looked; None: everywhere."""
        return self.framed.placement(row, camera, index)

    def examined(self, row: int) -> frozenset[str]:
        """Modalities of a piece on which an expert ran."""
        looks = self.expert_outputs[row]
        return frozenset(expert.modality for expert in self.model.schema.experts if expert.name in looks)

    def unseen(self, row: int) -> frozenset[str]:
        """Every camera of a piece of which no camera gave all its images: sound alone passes nothing."""
        return _unseen(self.pieces[row])

    def ran(self, row: int) -> frozenset[str]:
        return frozenset(self.expert_outputs[row])

    def run_expert(self, expert: Expert, rows: Sequence[int]) -> None:
        """Runs one expert for these pieces alone; every one of them has the modality."""
        engine = self.model.experts[expert.name]
        form = expert.input
        if isinstance(form, ImageInput):
            images = [
                (row, index, image)
                for row in rows
                for index, image in enumerate(self.pieces[row].views[expert.modality].images)
            ]
            feed = _image_feed(form, self._prepared_for(expert), partial(self._framed_image, expert.modality))
            results = run_batched(engine, images, feed, batch_size(form, self._max_batch))
            self._keep(expert, [(row, index) for row, index, _ in images], results)
            return
        clips = [(row, self.pieces[row].clips[expert.modality]) for row in rows]
        feed_clips = _clip_feed(form, self._prepared_for(expert))
        results = run_batched(engine, clips, feed_clips, batch_size(form, self._max_batch))
        self._keep(expert, [(row, 0) for row in rows], results)

    def _framed_image(self, camera: str, row: int, index: int, image: Image) -> Image:
        return self.framed.image(row, camera, index, image)

    def _prepared_for(self, expert: Expert) -> Prepared:
        """The input prepared for the check, where it is this expert's input."""
        if expert != watcher(self.model.schema.experts, expert.modality):
            return lambda row, index: None
        return lambda row, index: self._kept.take((expert.modality, row, index))

    def _keep(self, expert: Expert, places: Sequence[tuple[int, int]], results: Sequence[Result]) -> None:
        """`places` gives the piece and image of each result."""
        for (row, index), result in zip(places, results, strict=True):
            costs, looks = self.costs_ms[row], self.expert_outputs[row]
            costs[expert.name] = costs.get(expert.name, 0.0) + result.cost_ms
            if result.outputs is None:
                self.failed.add(row)
                continue
            look = ExpertOutput(result.outputs, index)
            if expert.name not in looks or look.defect_logit > looks[expert.name].defect_logit:
                looks[expert.name] = look

    def fuse(self, rows: Sequence[int]) -> list[Fused | None]:
        """Runs the head on all outputs of these pieces' experts; marks the pieces that it fails on."""
        results = self._fuse([(row, self.ran(row)) for row in rows])
        for row, result in zip(rows, results, strict=True):
            self.head_ms[row] += result.cost_ms
            if result.outputs is None:
                self.failed.add(row)
        return [_fused(result) for result in results]

    def fuse_parts(self, parts: Sequence[tuple[int, frozenset[str]]]) -> list[Fused | None]:
        """Runs the head on subsets of experts: (piece, experts)."""
        return [_fused(result) for result in self._fuse(parts)]

    def _fuse(self, parts: Sequence[tuple[int, frozenset[str]]]) -> list[Result]:
        return run_batched(self.model.head, parts, self._head_inputs, self._max_batch)

    def _head_inputs(self, parts: Sequence[tuple[int, frozenset[str]]]) -> Mapping[str, Array]:
        """Experts that did not run get zeros and presence 0."""
        schema = self.model.schema
        num, num_outputs = len(parts), 1 + len(schema.classes)
        present_RE = np.zeros((num, len(schema.experts)), np.float32)
        inputs: dict[str, Array] = {"present": present_RE}
        for column, expert in enumerate(schema.experts):
            tokens_RND = np.zeros((num, expert.num_tokens, schema.token_dim), np.float32)
            logits_RO = np.zeros((num, num_outputs), np.float32)
            for index, (row, experts) in enumerate(parts):
                if expert.name in experts:
                    outputs = self.expert_outputs[row][expert.name].outputs
                    tokens_RND[index], logits_RO[index] = outputs["tokens"], outputs["logits"]
                    present_RE[index, column] = 1
            inputs |= {f"tokens_{expert.name}": tokens_RND, f"logits_{expert.name}": logits_RO}
        return inputs


def _unseen(piece: Observation) -> frozenset[str]:
    is_seen = any(view.state is State.PRESENT for view in piece.views.values())
    return frozenset() if is_seen else frozenset(piece.views)


def batch_size(form: ImageInput | SignalInput, max_batch: int) -> int:
    """Images or clips per run."""
    return max(1, min(max_batch, BATCH_BYTES // (4 * math.prod(input_shape(form)))))


def _present(piece: Observation) -> frozenset[str]:
    """Nobody looks at a piece all of whose images are implausible, as nobody does without images."""
    seen = [view for view in piece.views.values() if view.images]
    views = {view.camera for view in seen if view.state is State.PRESENT or view.absence is MissingReason.SIZE}
    if seen and not views and all(view.state is State.IMPLAUSIBLE for view in seen):
        return frozenset()
    clips = {name for name, c in piece.clips.items() if c.state is State.PRESENT and c.samples is not None}
    return frozenset(views | clips)


def _implausible(piece: Observation) -> frozenset[str]:
    views = {name for name, view in piece.views.items() if view.state is State.IMPLAUSIBLE}
    return frozenset(views | {name for name, clip in piece.clips.items() if clip.state is State.IMPLAUSIBLE})


def _image_feed(
    form: ImageInput, prepared: Prepared, framed: Callable[[int, int, Image], Image]
) -> Callable[[Sequence[tuple[int, int, Image]]], Mapping[str, Array]]:
    def input_of(row: int, index: int, image: Image) -> Array:
        ready = prepared(row, index)
        return prepare_image(framed(row, index, image), form) if ready is None else ready

    return lambda items: {"input": np.stack([input_of(*item) for item in items])}


def _clip_feed(form: SignalInput, prepared: Prepared) -> Callable[[Sequence[tuple[int, Clip]]], Mapping[str, Array]]:
    def input_of(row: int, clip: Clip) -> Array:
        ready = prepared(row, 0)
        return prepare_clip(_samples(clip), clip.sample_rate_hz, form) if ready is None else ready

    return lambda items: {"input": np.stack([input_of(*item) for item in items])}


def _samples(clip: Clip) -> NDArray[np.float32]:
    if clip.samples is None:
        raise ValueError(f"sensor {clip.sensor!r} is present without samples: the join hands on one or the other")
    return clip.samples


def _fused(result: Result) -> Fused | None:
    return None if result.outputs is None else Fused(result.outputs["logits"], result.outputs["gate"])
