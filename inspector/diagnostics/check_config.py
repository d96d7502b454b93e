"""Explains a service's configuration in seconds and bytes, and finds settings that cannot work. Runs nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from inspector.bundle.schema import Bundle
from inspector.config.service import Service, reference_problems
from inspector.config.tables import EmbeddedTable, KafkaTable, WorkerTable
from inspector.diagnostics.check_access import access_lines, access_problems
from inspector.diagnostics.memory import memory_lines, request_line, signal_problems
from inspector.diagnostics.record_lines import record_lines
from inspector.diagnostics.visible_lines import visible_lines
from inspector.recipe.compatibility import misfits, read_bundle
from inspector.recipe.problems import ConfigError, Problem
from inspector.recipe.recipe import Camera, Recipe, Sensor
from inspector.recipe.thresholds import promise_words
from inspector.recipe.window import window_samples
from streams.embedded.file import check_place
from streams.log import LogError

COMMIT_S = 0.05
"""A transaction on a nearby broker, 95th percentile."""
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Budget:
    """Parts of the time from the last frame's capture to the verdict; the worst case has a silent source."""

    window_s: float
    chunk_s: float
    max_delay_s: float
    inference_s: float
    commit_s: float

    @property
    def usual_s(self) -> float:
        return self.window_s + self.chunk_s + self.inference_s + self.commit_s

    @property
    def worst_s(self) -> float:
        return self.usual_s + self.max_delay_s


@dataclass(frozen=True, slots=True)
class Report:
    """The explanation, line by line, and all problems."""

    lines: tuple[str, ...]
    problems: tuple[Problem, ...]


def check(service: Service, chunk_s: float = 0.1) -> Report:
    """`chunk_s` is the length of the chunks that the sensors send, which no file states."""
    lines = list(_log_lines(service))
    problems = [*_place_problems(service), *reference_problems(service), *access_problems(service)]
    is_framed = False
    for recipe in service.recipes:
        try:
            bundle = read_bundle(recipe.bundle)
        except ConfigError as exc:
            problems.extend(exc.problems)
            bundle = None
        budget = latency_budget(service, recipe, bundle, chunk_s)
        lines.extend(_recipe_lines(service, recipe, bundle, budget))
        problems.extend(_deadline_problems(recipe, budget))
        problems.extend(signal_problems(service, recipe))
        if bundle is not None:
            problems.extend(misfits(recipe, bundle))
            is_framed |= any(modality.framing is not None for modality in bundle.modalities)
    lines.append(_clock_line(service))
    lines.extend(memory_lines(service, is_framed=is_framed))
    lines.append(request_line(service, is_framed=is_framed))
    lines.extend(access_lines(service))
    return Report(tuple(lines), tuple(problems))


def latency_budget(service: Service, recipe: Recipe, bundle: Bundle | None, chunk_s: float) -> Budget:
    """Assumes that every expert runs on each frame. Ends of windows count from the entry, which is never
    later than the last frame."""
    timed = [sensor for sensor in recipe.sensors if sensor.bind == "time"]
    runs = {camera.name: camera.num_frames for camera in recipe.cameras}
    experts = () if bundle is None else bundle.experts
    cost_ms = sum(expert.cost_ms * runs.get(expert.modality, 1) for expert in experts)
    cost_ms += 0.0 if bundle is None else bundle.head.cost_ms
    return Budget(
        window_s=max([0.0, *(sensor.end_s + _anchor_s(sensor, recipe) for sensor in timed)]),
        chunk_s=chunk_s if timed else 0.0,
        max_delay_s=service.config.join.max_delay_s,
        inference_s=cost_ms / 1000,
        commit_s=service.config.worker.commit_delay_s + COMMIT_S,
    )


def _anchor_s(sensor: Sensor, recipe: Recipe) -> float:
    """The latest time of the anchor: a camera's first frame may come at the end of the capture span."""
    return 0.0 if sensor.anchor == "entered" else recipe.capture_span_s


def _deadline_problems(recipe: Recipe, budget: Budget) -> Iterator[Problem]:
    if budget.worst_s > recipe.deadline_s:
        expectation = f"a verdict may take {budget.worst_s:.3f} s when a source is silent"
        remedy = "raise deadline_s, or lower join.max_delay_s or the window's end"
        yield Problem(Path(f"recipe {recipe.name}"), "deadline_s", f"{recipe.deadline_s:g}", expectation, remedy)


def _place_problems(service: Service) -> Iterator[Problem]:
    """Places where `serve` could not open the embedded log."""
    if isinstance(table := service.config.log, EmbeddedTable):
        try:
            check_place(table.path)
        except LogError as exc:
            expectation, _, remedy = str(exc).rpartition(": ")
            yield Problem(service.path, "log.path", str(table.path), expectation, remedy)


def _log_lines(service: Service) -> Iterator[str]:
    config = service.config
    if isinstance(config.log, KafkaTable):
        table = config.log
        safety = (
            f"{'TLS' if table.tls else 'no TLS'}, {'login as ' + table.sasl.username if table.sasl else 'no login'}"
        )
        yield f"log: Kafka at {', '.join(table.bootstrap_servers)} ({safety}), group {table.group!r}"
    else:
        yield f"log: embedded in {config.log.path}, at most {config.log.max_bytes / _MIB:.0f} MiB"
    for line in config.lines:
        yield f"line {line}: topics {config.prefix}.{line}.frames|signals|pieces -> verdicts|dead-letters"
    worker = config.worker
    yield (
        f"commits: verdicts, dead letters and offsets together, after {worker.commit_delay_s * 1000:g} ms or "
        f"{worker.max_verdicts_per_commit} verdicts; an offset only past records that nothing open may need"
    )
    yield _cores_line(worker)


def _cores_line(worker: WorkerTable) -> str:
    source = "all that this process may use" if worker.cores is None else "as [worker] cores says"
    work = "one thread does all" if worker.num_cores == 1 else "pieces are judged next to reading and joining"
    return f"cores: {worker.num_cores} ({source}); {work}"


def _opening(service: Service, recipe: Recipe) -> str:
    """What makes a piece of this recipe enter."""
    if recipe.cameras:
        return "its first frame, or an event"
    if service.recipes.traces_open(recipe.line, recipe.station):
        return f"an event, or a trace that waited {service.config.join.max_delay_s:g} s for one"
    if any(sensor.bind == "piece" for sensor in recipe.sensors):
        return "an event (a trace names no product: it opens pieces only where no recipe of its station names one)"
    return "an event: send `entered` for each piece"


def _recipe_lines(service: Service, recipe: Recipe, bundle: Bundle | None, budget: Budget) -> Iterator[str]:
    where = f"line {recipe.line}, station {recipe.station}, product {recipe.product}"
    yield f"recipe {recipe.name} {recipe.version}: {where}"
    yield f"  a piece is opened by {_opening(service, recipe)}"
    for camera in recipe.cameras:
        frames = f"{camera.num_frames} frame(s){_bits(camera)}"
        yield f"  camera {camera.name}: {frames} within {recipe.capture_span_s:g} s of the entry"
    for sensor in recipe.sensors:
        yield f"  {sensor.kind} {sensor.name}: {_window(sensor)}"
    if bundle is not None:
        experts = ", ".join(f"{e.name} {e.cost_ms:g} ms{' (scout)' if e.scout else ''}" for e in bundle.experts)
        yield f"  bundle {bundle.name} {bundle.version}: {experts}"
        yield f"  misses: {promise_words(recipe, bundle)}"
        yield from visible_lines(recipe, bundle)
        yield from record_lines(recipe, bundle, service.config.max_record_bytes)
        yield from _plausibility_lines(recipe, bundle)
    yield (
        f"  latency: window {budget.window_s:.3f} + chunk {budget.chunk_s:.3f} + inference {budget.inference_s:.3f} "
        f"+ commit {budget.commit_s:.3f} = {budget.usual_s:.3f} s; with a silent source + {budget.max_delay_s:.3f} = "
        f"{budget.worst_s:.3f} s; deadline {recipe.deadline_s:.3f} s"
    )


def _bits(camera: Camera) -> str:
    return "" if camera.bit_depth is None else f" of {camera.bit_depth} bits"


def _clock_line(service: Service) -> str:
    """The tolerated differences of clocks."""
    join = service.config.join
    offset_s = min(join.max_source_offset_s, join.max_skew_s)
    return (
        f"clocks: records more than {join.max_skew_s:g} s ahead of the log's clock are refused; while the records of "
        f"two sources of a station arrive more than {offset_s:g} s (max_source_offset_s) further apart than their "
        "stamps say, transport included, no piece passes; stamps of a sensor may differ from its sample count by "
        f"{join.jitter_s:g} s"
    )


def _plausibility_lines(recipe: Recipe, bundle: Bundle) -> Iterator[str]:
    """Sources and whether their data is checked for plausibility."""
    limits = {modality.name: modality.plausibility for modality in bundle.modalities}
    for source in recipe.sources:
        if source.plausibility == "off":
            yield f"  plausibility of {source.name}: off, so a black picture or a silent sensor may pass"
        elif source.name in limits and (known := limits[source.name]) is not None:
            wide = ", widened" if source.plausibility == "wide" else ""
            yield f"  plausibility of {source.name}: limits of {known.recordings} good recordings{wide}"
        else:
            yield f"  plausibility of {source.name}: no limits in the bundle; `inspector plausibility` learns them"


def _window(sensor: Sensor) -> str:
    form = f"{sensor.num_channels} channel(s) at {sensor.sample_rate_hz:g} Hz"
    if sensor.bind == "piece":
        return f"{form}, bound by the piece's id"
    return (
        f"{form}, {window_samples(sensor)} samples from {sensor.start_s:+g} s to {sensor.end_s:+g} s "
        f"around {sensor.anchor!r}, at least {sensor.min_coverage:.0%} of them"
    )
