"""Converts verdicts between protobuf and log records, and stamps the fields known at publication."""

from dataclasses import replace

from google.protobuf.message import DecodeError

from protos.inspection.v1.records_pb2 import DeadLetter, Inspection
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.decode.dead_letters import DEAD_LETTER_TYPE, inspection_message
from streams.decode.limits import is_name, is_text, is_time
from streams.join.ledger import Judged
from streams.observation import InspectionId
from streams.records import TYPE_PREFIX, Output, Record, Shard, Topics

_CLOCK_SET_BACK_S = 86_400.0
"""The log's clock may have been set back by this much between a record and its verdict."""
_MAX_TOPIC = 249
"""Characters of a topic's name, which the name of a line is a part of; Kafka takes no longer one."""
VERDICT_TYPE = TYPE_PREFIX + "Verdict"
_DETAILS = ("images", "signals", "inputs", "experts", "classes", "modalities", "defects", "class_rule")
"""Optional fields of a verdict, in the order in which they are left out."""


def inspection_id(message: Inspection) -> InspectionId:
    return InspectionId(message.line, message.station, message.piece_id, message.pass_number)


def stamp(verdict: Verdict, publish_ns: int, deadline_s: float | None) -> Verdict:
    """Marks when the verdict is handed over, and whether that is past the recipe's deadline after capture."""
    verdict.publish_ns = publish_ns
    verdict.deadline_missed = deadline_s is not None and publish_ns - verdict.capture_ns > deadline_s * 1e9
    return verdict


def make_fit(verdict: Verdict, max_bytes: int) -> list[str]:
    """Shrinks a verdict to the size of a record: drops heat maps, the largest first, then details.
    Identity, decision and score always fit: names are bounded. Returns the names of the dropped parts.

    Kafka refuses a larger verdict, which ends this worker and every one that judges the piece after it; of the embedded
    log it is not read back, and the piece would be judged again."""
    excess = verdict.ByteSize() - max_bytes
    left_out, num_maps = [], 0
    for image in sorted(verdict.images, key=lambda image: -len(image.heat_map_png)):
        if excess <= 0:
            break
        if image.heat_map_png:
            excess, num_maps = excess - len(image.heat_map_png), num_maps + 1
            image.ClearField("heat_map_png")
    if num_maps:
        left_out.append(f"{num_maps} of {len(verdict.images)} heat maps")
    for name in _DETAILS:
        if verdict.ByteSize() <= max_bytes:
            break
        verdict.ClearField(name)
        left_out.append(name)
    return left_out


def verdict_output(topics: Topics, shard: Shard, verdict: Verdict) -> Output:
    """The record that publishes a verdict, in the partition of the input that it was made from."""
    return Output(
        topic=topics.of("shadow" if verdict.shadow else "verdicts"),
        partition=shard.partition,
        key=verdict.inspection.station.encode(),
        value=verdict.SerializeToString(),
        type=VERDICT_TYPE,
    )


def judged_from(record: Record, line: str, max_skew_s: float) -> Judged | None:
    """The join's entry for a verdict of this line that was read back; None for any other record.

    An entry far ahead of the log's clock would never be forgotten, and nothing behind it.
    """
    if record.type != VERDICT_TYPE:
        return None
    try:
        verdict = Verdict.FromString(record.value)
    except DecodeError:
        return None
    latest_ns = record.append_ns + round((max_skew_s + _CLOCK_SET_BACK_S) * 1e9)
    if not _is_ours(verdict, line) or verdict.entry_ns > latest_ns:
        return None
    return Judged(inspection_id(verdict.inspection), verdict.entry_ns, record.offset)


def _is_ours(verdict: Verdict, line: str) -> bool:
    named = verdict.inspection
    is_named = is_name(named.station) and named.piece_id != "" and is_text(named.piece_id)
    return named.line == line and is_named and is_time(verdict.entry_ns) and not verdict.shadow


def essence(record: Record) -> Record | None:
    """The fields of an output that a new owner of the shard reads back, in some 600 bytes: a verdict has up to 64 KiB
    for each image, a dead letter 64 KiB. None for other records."""
    try:
        if record.type == VERDICT_TYPE:
            value = _verdict_essence(Verdict.FromString(record.value))
        elif record.type == DEAD_LETTER_TYPE:
            value = _letter_essence(DeadLetter.FromString(record.value))
        else:
            return None
    except DecodeError:
        return None
    return None if value is None else replace(record, key=b"", value=value)


def _verdict_essence(verdict: Verdict) -> bytes | None:
    named = verdict.inspection
    if len(named.line) > _MAX_TOPIC or not _is_ours(verdict, named.line):
        return None
    return Verdict(inspection=inspection_message(inspection_id(named)), entry_ns=verdict.entry_ns).SerializeToString()


def _letter_essence(letter: DeadLetter) -> bytes | None:
    if len(letter.topic) > _MAX_TOPIC:
        return None
    return DeadLetter(
        reason=letter.reason,
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        append_ns=letter.append_ns,
    ).SerializeToString()


def settled_ns(record: Record) -> int | None:
    """Event or append time up to which the input of a shard was settled when this was written: the entry of a
    verdict's piece, the record of a dead letter. None for other records."""
    try:
        if record.type == VERDICT_TYPE:
            return Verdict.FromString(record.value).entry_ns
        if record.type == DEAD_LETTER_TYPE:
            return DeadLetter.FromString(record.value).append_ns
    except DecodeError:
        return None
    return None
