"""Compares the recordings of one camera or sensor with each other: rate, channels, length, depth."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from inspector.dataset.findings import Finding, Severity
from inspector.dataset.manifest import SignalRow
from inspector.dataset.sample_files import Samples
from streams.decode.image_headers import Header
from streams.decode.kinds import is_curve

_LENGTH_TOLERANCE = 0.01
"""Share of the usual length by which a recorder's lengths may differ."""
_MOST = 0.5
"""A length that fewer have is not the usual one: lengths vary."""


@dataclass(frozen=True, slots=True)
class Form:
    """What one recording has in common with the others of its source; None where that may differ."""

    piece_id: str
    path: str
    channels: int
    bits: int | None = None
    """Per value of an image."""
    kind: str | None = None
    sample_rate_hz: float | None = None
    length_s: float | None = None
    """Of a window; curves may have any length."""
    still: frozenset[int] = frozenset()
    """Numbers of the channels whose samples all have one value; the first is 1."""

    @classmethod
    def of_image(cls, piece_id: str, path: str, header: Header) -> "Form":
        return cls(piece_id, path, header.channels, bits=8 * header.bytes_per_value)

    @classmethod
    def of_signal(cls, piece_id: str, signal: SignalRow, samples: Samples) -> "Form":
        """`samples` is (num_samples, num_channels)."""
        rate_hz, (num_samples, num_channels) = signal.sample_rate_hz, samples.shape
        length_s = None if is_curve(signal.kind) else num_samples / rate_hz
        still = frozenset(int(index) + 1 for index in np.flatnonzero(samples.min(axis=0) == samples.max(axis=0)))
        return cls(piece_id, signal.path, num_channels, None, signal.kind, rate_hz, length_s, still)


def odd_forms(source: str, forms: Sequence[Form]) -> Iterator[Finding]:
    """One finding for each recording that differs from most others of this camera or sensor."""
    for property_of, noun, severity in _PROPERTIES:
        yield from _odd(source, noun, severity, [(form, property_of(form)) for form in forms])
    yield from _odd_lengths(source, forms)


def still_channels(sensor: str, forms: Sequence[Form]) -> Iterator[Finding]:
    """Recordings that never change, and channels of a sensor with several that do so within no recording."""
    constant = [form for form in forms if len(form.still) == form.channels]
    if constant:
        yield Finding("recordings", constant_text(f"sensor {sensor}", "recordings", constant, len(forms)),
                      tuple(form.piece_id for form in constant))  # fmt: skip
    num_channels = max((form.channels for form in forms), default=0)
    still = frozenset[int]().union(*(form.still for form in forms)).intersection(*(form.still for form in forms))
    if num_channels > len(still) > 0:
        numbers = ", ".join(map(str, sorted(still)))
        yield Finding(
            "recordings",
            f"sensor {sensor}: of its {num_channels} channels, {numbers} have one value throughout each of the "
            f"{len(forms)} recordings: a clock, or an input that is not connected? Name the channels that measure: "
            '"columns" of the signal row, or --columns of `inspector data import`',
        )


def constant_text(source: str, noun: str, constant: Sequence[Form], num: int) -> str:
    return (
        f"{source}: {len(constant)} of {num} {noun} have one value throughout, the first is {constant[0].path}: was "
        "the device off, muted or covered? Record them again, or leave the pieces out"
    )


def _odd(source: str, noun: str, severity: Severity, values: Sequence[tuple[Form, object]]) -> Iterator[Finding]:
    counts = Counter(value for _, value in values if value is not None)
    if len(counts) < 2:
        return
    usual, num_usual = counts.most_common(1)[0]
    for form, value in values:
        if value not in (None, usual):
            text = f"{form.path}: has {noun.format(value)}, {num_usual} others of {source} have {noun.format(usual)}"
            yield Finding("recordings", f"{text}: {_REMEDIES[noun]}", (form.piece_id,), severity)


def _odd_lengths(source: str, forms: Sequence[Form]) -> Iterator[Finding]:
    lengths = Counter(round(form.length_s, 6) for form in forms if form.length_s is not None)
    if not lengths:
        return
    usual = lengths.most_common(1)[0][0]
    alike = sum(num for length, num in lengths.items() if abs(length - usual) <= _LENGTH_TOLERANCE * usual)
    if alike < _MOST * lengths.total():
        return
    for form in forms:
        if form.length_s is not None and abs(form.length_s - usual) > _LENGTH_TOLERANCE * usual:
            text = (
                f"{form.path}: lasts {form.length_s:g} s, {alike} others of {source} last {usual:g} s: the line judges "
                "windows of one length; cut or record it again, or leave the piece out"
            )
            yield Finding("recordings", text, (form.piece_id,))


def _rate(form: Form) -> float | None:
    return form.sample_rate_hz


def _kind(form: Form) -> str | None:
    return form.kind


def _signal_channels(form: Form) -> int | None:
    return None if form.kind is None else form.channels


def _image_channels(form: Form) -> int | None:
    return form.channels if form.kind is None else None


def _bits(form: Form) -> int | None:
    return form.bits


_RATE, _KIND, _CHANNELS, _BITS = "{:g} Hz", "the kind {}", "{} channel(s)", "{} bits per value"
_PROPERTIES: Sequence[tuple[Callable[[Form], object], str, Severity]] = (
    (_rate, _RATE, "error"),
    (_kind, _KIND, "error"),
    (_signal_channels, _CHANNELS, "error"),
    (_image_channels, _CHANNELS, "warning"),
    (_bits, _BITS, "warning"),
)
_REMEDIES = {
    _RATE: "resample it, or give the other rate a sensor name of its own",
    _KIND: "a sensor measures one thing; correct the kind or the sensor's name",
    _CHANNELS: "the line refuses what its bundle was not trained on; convert it, or name it another camera or sensor",
    _BITS: "convert it, or name it another camera",
}
