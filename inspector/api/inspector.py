"""Opens a bundle as the service does, and judges pieces by the service's own code."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal, Self

from inspector.api.address import local_bundle
from inspector.api.pieces import ANY_PRODUCT, ChannelOrder, ImageInput, InputError, Piece, SignalInput, request_of
from inspector.api.verdict import Verdict
from inspector.bundle.load import load
from inspector.bundle.schema import Bundle
from inspector.config.tables import EngineWish, WorkerTable
from inspector.gateway.request import observation_of
from inspector.inference.model import Model
from inspector.inference.opening import open_models
from inspector.judging.routed_judge import RoutedJudge
from inspector.recipe.recipe import Recipe
from inspector.recipe.recipes import ANY, Recipes, load_recipe
from inspector.recipe.strict_recipe import strict_recipe
from inspector.rollout.admission import Admission
from streams.decode.limits import Limits, RecordError
from streams.observation import Observation

Evidence = Literal["never", "not_pass", "always"]


class Inspector:
    """Judges pieces with one bundle and one recipe. Several threads may use it at once."""

    def __init__(self, model: Model, recipe: Recipe, max_batch: int) -> None:
        """See `from_pretrained`."""
        self._model, self._recipe, self._max_batch = model, recipe, max_batch
        self._recipes = Recipes([recipe])
        self._judge = RoutedJudge(self._recipes, {recipe.bundle: model}, max_batch)
        self._limits = Limits()
        self._product = ANY_PRODUCT if recipe.product == ANY else recipe.product

    @classmethod
    def from_pretrained(
        cls,
        address: str | Path,
        *,
        recipe: str | Path | None = None,
        evidence: Evidence | None = None,
        num_frames: Mapping[str, int] | None = None,
        engines: Sequence[EngineWish] | None = None,
        threads: int = 1,
        cache: str | Path | None = None,
    ) -> Self:
        """Opens the bundle at `address`: a folder, a .zip file, an fsspec address such as s3://models/disc/ or
        s3://models/disc.zip, or hf://organisation/name.

        recipe: a recipe file; without one every camera and sensor of the bundle is required and its own limits decide.
        evidence: for which verdicts regions and heat maps are computed; by default as in the recipe, or `not_pass`.
        num_frames: without a recipe, the images that each camera takes of a piece; 1 where it is not named.
        engines: the first that runs here judges, such as ["onnx/fp32"]; by default the service's order.
        threads: of each engine session.
        cache: folder for bundles that are not local; by default the user's cache folder.

        Raises AddressError, BundleError, ConfigError, EngineError.
        """
        folder = local_bundle(address, None if cache is None else Path(cache))
        chosen = _recipe(load(folder).schema, folder, recipe, num_frames)
        if evidence is not None:
            chosen = chosen.model_copy(update={"evidence": evidence})
        worker = (
            WorkerTable(threads=threads) if engines is None else WorkerTable(threads=threads, engines=tuple(engines))
        )
        models = open_models([chosen], worker.engine_preferences, lambda recipes: Admission(recipes, worker.max_batch))
        return cls(models[chosen.bundle], chosen, worker.max_batch)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names that `images` may have."""
        return tuple(camera.name for camera in self._recipe.cameras)

    @property
    def sensors(self) -> Mapping[str, float]:
        """Names that `signals` may have, and the sample rate of each in hertz."""
        return {sensor.name: sensor.sample_rate_hz for sensor in self._recipe.sensors}

    @property
    def classes(self) -> tuple[str, ...]:
        """Defect classes of the bundle."""
        return tuple(self._model.schema.classes)

    @property
    def engine(self) -> str:
        """Engine and precision that judge, such as onnx/fp32."""
        return self._model.engine

    def inspect(
        self,
        images: Mapping[str, ImageInput | Sequence[ImageInput]] | None = None,
        signals: Mapping[str, SignalInput] | None = None,
        *,
        piece_id: str = "",
        product: str = "",
        channel_order: ChannelOrder = "bgr",
    ) -> Verdict:
        """Judges one piece. A camera or sensor that is left out counts as missing.

        images: by camera, pixels (height, width) or (height, width, 3), a PNG, JPEG, TIFF or BMP file or its bytes, a
            RawImage with its packing, or a list of them.
        signals: by sensor, (samples, sample rate in hertz), a WAV, FLAC, NumPy, CSV or TDMS file, or a SignalFile with
            its columns.
        channel_order: of colour arrays, "bgr" as OpenCV reads them or "rgb" as Pillow does; files need none.

        Raises InputError; EngineError where the engine fails.
        """
        (verdict,) = self.inspect_many(
            [Piece(images or {}, signals or {}, piece_id, product)], channel_order=channel_order
        )
        return verdict

    def inspect_many(self, pieces: Iterable[Piece], *, channel_order: ChannelOrder = "bgr") -> Iterator[Verdict]:
        """Judges pieces in batches, in order; takes no more of them ahead than one batch holds. Raises as `inspect`."""
        source = iter(pieces)
        while batch := list(islice(source, self._max_batch)):
            observations = [self._observation(piece, channel_order) for piece in batch]
            yield from map(Verdict, self._judge.judge(observations))

    def _observation(self, piece: Piece, channel_order: ChannelOrder) -> Observation:
        try:
            request = request_of(piece, self._recipe.assembly, self._product, channel_order)
            return observation_of(request, self._recipes, self._limits, time.time_ns())
        except RecordError as error:
            raise InputError(f"piece {piece.piece_id!r}: {error.detail}") from error


def _recipe(schema: Bundle, folder: Path, file: str | Path | None, num_frames: Mapping[str, int] | None) -> Recipe:
    """For any line and station, and however long a piece was under way."""
    if file is None:
        return strict_recipe(schema, folder, num_frames).model_copy(update={"evidence": "not_pass"})
    changes = {"line": ANY, "station": ANY, "bundle": folder, "backlog": "judge"}
    return load_recipe(Path(file)).recipe.model_copy(update=changes)
