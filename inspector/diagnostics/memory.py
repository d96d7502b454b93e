"""What a service's configuration needs in memory at most."""

from collections.abc import Iterator

from inspector.config.service import Service
from inspector.gateway.inspecting import BATCH_IMAGE_BYTES
from inspector.gateway.lanes import MAX_UNREAD_PROBES
from inspector.inference.framed_views import KEPT_BYTES
from inspector.judging.evidence import MAX_PNG_BYTES
from inspector.recipe.problems import Problem
from inspector.recipe.recipe import Recipe
from streams.decode.large_images import LargeImageSettings
from streams.decode.limits import Limits

_FETCH_BYTES = 112 * 2**20
"""Kafka: two answers, one batch unpacked (16 MiB each), and answers for paused partitions (64); embedded: less."""
_DECODING_COPIES = 3
"""Peak memory of `streams.decode.records.decode`, in sizes of the image."""
_MIB = 2**20


def signal_bytes_per_station(service: Service, recipe: Recipe) -> int:
    """Memory for samples of open and future pieces, as 32-bit floats."""
    join = service.config.join
    total = 0.0
    for sensor in recipe.sensors:
        if sensor.bind == "time":
            kept_s = join.dedup_horizon_s + join.read_ahead_s + join.max_delay_s + sensor.end_s - sensor.start_s
            total += kept_s * sensor.sample_rate_hz * sensor.num_channels * 4
    return round(total)


def signal_problems(service: Service, recipe: Recipe) -> Iterator[Problem]:
    """At least one station must fit; no file states their number."""
    needed, most = signal_bytes_per_station(service, recipe), service.config.join.max_signal_bytes
    if needed > most:
        expectation = f"the sensors of one station of recipe {recipe.name} need {needed} bytes"
        remedy = "raise max_signal_bytes, or lower dedup_horizon_s or the sensors' rates"
        yield Problem(service.path, "join.max_signal_bytes", str(most), expectation, remedy)


def memory_parts(service: Service, *, is_framed: bool = False) -> dict[str, int]:
    """Most bytes of a worker with one shard, without its models, by purpose. `is_framed`: a bundle cuts a region out of
    its pictures, or aligns them."""
    config, limits = service.config, Limits()
    parts = {
        "signals": config.join.max_signal_bytes,
        "pieces until they are judged": config.join.max_open_bytes,
        "a record in decoding": _DECODING_COPIES * limits.max_image_bytes,
        "frames decoded ahead": _ahead_bytes(service),
        "large images that wait": LargeImageSettings().memory_bytes(limits),
        "records being read": _FETCH_BYTES + config.max_record_bytes,
        "verdicts until they are committed": _pending_bytes(service),
        "gateway ring and index": config.gateway.ring_bytes + config.gateway.index_bytes,
    }
    if config.references.allowed_prefixes:
        parts["images that frames refer to"] = config.references.settings.memory_bytes
    if is_framed:
        parts["cut pictures"] = KEPT_BYTES
    return parts


def _ahead_bytes(service: Service) -> int:
    """Their decoded sizes are part of max_open_bytes."""
    cores = service.config.worker.num_cores
    return (_DECODING_COPIES - 1) * LargeImageSettings().min_bytes * cores if cores > 1 else 0


def _pending_bytes(service: Service) -> int:
    """Two verdicts for each piece in case of a shadow, each with a heat map for every image and signal."""
    num_maps = (sum(camera.num_frames for camera in r.cameras) + len(r.sensors) for r in service.recipes)
    return 2 * service.config.worker.max_verdicts_per_commit * max(num_maps, default=0) * MAX_PNG_BYTES


def memory_lines(service: Service, *, is_framed: bool) -> Iterator[str]:
    """A worker's part."""
    join, parts = service.config.join, memory_parts(service, is_framed=is_framed)
    needed = max((signal_bytes_per_station(service, recipe) for recipe in service.recipes), default=0)
    if needed:
        places = join.max_signal_bytes // needed
        yield f"signals: a station keeps up to {needed / _MIB:.1f} MiB, so {places} stations of a shard have room"
    yield (
        "memory: a record that would exceed max_open_bytes waits until pieces are judged, samples beyond "
        "max_signal_bytes are dead letters STATE_LIMIT; each further shard of a worker takes "
        f"{(join.max_signal_bytes + join.max_open_bytes) / _MIB:.0f} MiB more"
    )
    listed = " + ".join(f"{name} {size / _MIB:.0f}" for name, size in parts.items())
    yield f"memory at most, without models and with one shard: {listed} = {sum(parts.values()) / _MIB:.0f} MiB"


def request_line(service: Service, *, is_framed: bool) -> str:
    """Memory that the requests of clients can take in a gateway."""
    settings = service.config.gateway.settings(service.config.max_record_bytes)
    images = Limits().max_image_bytes + BATCH_IMAGE_BYTES
    parts = {
        "being read": (2 * settings.max_unread + MAX_UNREAD_PROBES) * 3 * settings.max_message_bytes,
        "waiting to be judged": max(settings.inspect_queue_bytes, settings.max_message_bytes),
        "being judged": settings.inspect_concurrency * (2 * settings.max_message_bytes + images),
    }
    if is_framed:
        parts["cut pictures"] = settings.inspect_concurrency * KEPT_BYTES
    listed = " + ".join(f"{name} {size / _MIB:.0f}" for name, size in parts.items())
    return f"clients' requests at most, per gateway: {listed} = {sum(parts.values()) / _MIB:.0f} MiB"
