"""Learns the plausibility limits of each camera and sensor from the training recordings of a manifest."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from encoders.front_end import prepare_clip, prepare_image
from inspector.bundle.schema import ImageInput, Modality, Plausibility, SignalInput
from inspector.dataset.files import Recording, read_source
from inspector.dataset.labels import own_group, own_label
from inspector.dataset.manifest import ImageRow, PieceRow, SignalRow
from inspector.dataset.recordings import Clip, RecordingError
from inspector.framing.framer import Framer, framers
from inspector.framing.refusal import Refusal
from inspector.plausibility.learning import PictureKind, Recorded, kind_of, learn, picture_format
from inspector.plausibility.sources import Watched, watcher
from inspector.plausibility.statistics import Floats, clip_figures, picture_figures
from streams.decode.kinds import is_curve


def with_plausibility(
    root: Path, rows: Sequence[PieceRow], modalities: Sequence[Modality], experts: Sequence[Watched]
) -> tuple[Modality, ...]:
    """The modalities with limits from `rows` of the training split; each recording counts once.

    A modality without a good recording, or without an expert, gets no limits.
    """
    limits = {modality.name: _learned(root, rows, modality, experts) for modality in modalities}
    return tuple(modality.model_copy(update={"plausibility": limits[modality.name]}) for modality in modalities)


def _learned(
    root: Path, rows: Sequence[PieceRow], modality: Modality, experts: Sequence[Watched]
) -> Plausibility | None:
    expert = watcher(experts, modality.name)
    sources = _sources(rows, modality)
    good = [source for source, (label, _) in sources.items() if label == "ok"]
    if expert is None or not good:
        return None
    reader = _FigureReader(root, expert.input, framers([modality]).get(modality.name))
    figures = reader.figures(good)
    defective = reader.figures([source for source, (label, _) in sources.items() if label == "nok"])
    form = picture_format(reader.kinds) if reader.kinds else None
    groups = [sources[source][1] for source in good]
    return learn(Recorded(figures, groups, defective, is_curve(modality.kind)), form)


def _sources(rows: Sequence[PieceRow], modality: Modality) -> Mapping[ImageRow | SignalRow, tuple[str, str]]:
    """Every recording of the modality once, with label and group. A recording is nok if any of its pieces is."""
    labelled: dict[ImageRow | SignalRow, tuple[str, str]] = {}
    for row in rows:
        label = own_label(row, modality) or row.label
        recordings: list[ImageRow | SignalRow] = [image for image in row.images if image.camera == modality.name]
        recordings += [signal for signal in row.signals if signal.sensor == modality.name]
        for source in recordings:
            worse = "nok" if "nok" in (label, labelled.get(source, ("", ""))[0]) else label
            labelled[source] = (worse, own_group(row, modality))
    return labelled


class _FigureReader:
    """Reads recordings one by one; keeps only their figures and the formats of pictures."""

    def __init__(self, root: Path, form: ImageInput | SignalInput, framer: Framer | None) -> None:
        self._root, self._form, self._framer = root, form, framer
        self.kinds: set[PictureKind] = set()

    def figures(self, sources: Iterable[ImageRow | SignalRow]) -> Mapping[str, Floats]:
        rows = [self._figures(source) for source in sources]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]} if rows else {}

    def _figures(self, source: ImageRow | SignalRow) -> Mapping[str, float]:
        """Raises RecordingError, with the file, for a recording that the expert cannot read."""
        recording = read_source(self._root, source)
        try:
            return self._figures_of(recording)
        except ValueError as exc:
            raise RecordingError(f"{self._root / source.path}: {exc}") from exc

    def _figures_of(self, recording: Recording) -> Mapping[str, float]:
        if isinstance(recording, Clip) and isinstance(self._form, SignalInput):
            prepared = prepare_clip(recording.samples, recording.sample_rate_hz, self._form)
            return clip_figures(prepared, min(len(recording.samples), self._form.num_samples), self._form)
        if isinstance(recording, Clip) or isinstance(self._form, SignalInput):
            raise ValueError(f"is no input of {self._form.type} experts: name the manifest of this bundle")  # noqa: TRY004
        self.kinds.add(kind_of(recording))
        framed = recording if self._framer is None else self._framer.frame(recording)
        if isinstance(framed, Refusal):
            raise ValueError(framed.detail)  # noqa: TRY004 - a finding about the picture
        return picture_figures(framed, prepare_image(framed, self._form), self._form)
