"""Reads a topic with a program that is not ours: kcat, or Apache's Java client where kcat is not installed.

No code of the product runs here, so the counts do not depend on its readers. The
embedded log is read by SQLite itself.
"""

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deploy.kafka.run import LIBS

JAVA_READER = Path(__file__).with_name("ReadTopic.java")
FORMAT = "%p %o %T %S\n%s"
"""Partition, offset, append time in ms and size on a line, then the value itself."""


@dataclass(frozen=True)
class TopicRecord:
    """One record as another program gives it."""

    partition: int
    offset: int
    append_s: float
    value: bytes


class ReaderError(Exception):
    """The program could not read the topic."""


def reader_name() -> str:
    return "kcat" if shutil.which("kcat") else "Apache's Java client"


def read_topic(bootstrap: str, topic: str, isolation: str = "read_committed", program: str = "") -> list[TopicRecord]:
    """All records of a topic, in the order of each partition. `program` is "kcat" or "java"; default: any installed.

    Raises ReaderError.
    """
    program = program or ("kcat" if shutil.which("kcat") else "java")
    command = _kcat(bootstrap, topic, isolation) if program == "kcat" else _java(bootstrap, topic, isolation)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader:
        if reader.stdout is None or reader.stderr is None:
            raise AssertionError("both are pipes")
        records = list(_records(reader.stdout))
        errors = reader.stderr.read().decode(errors="replace")
    if reader.returncode:
        raise ReaderError(f"{program} could not read {topic} (exit code {reader.returncode}): {errors[-500:]}")
    return records


def read_sqlite(path: Path, topic: str) -> list[TopicRecord]:
    """The same of the embedded log, by SQLite itself."""
    query = "SELECT records.id, append_ns, value FROM records JOIN topics ON topics.id = topic WHERE name = ?"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as base:
        rows = base.execute(query, (topic,)).fetchall()
    return [TopicRecord(0, offset, append_ns / 1e9, value) for offset, append_ns, value in rows]


def _kcat(bootstrap: str, topic: str, isolation: str) -> list[str]:
    options = ["-X", f"isolation.level={isolation}", "-X", "fetch.wait.max.ms=20"]
    return ["kcat", "-C", "-q", "-e", "-b", bootstrap, "-t", topic, "-o", "beginning", *options, "-f", FORMAT]


def _java(bootstrap: str, topic: str, isolation: str) -> list[str]:
    quick_start = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m")
    return ["java", *quick_start, "-cp", f"{LIBS}/*", str(JAVA_READER), bootstrap, topic, isolation]


def _records(out: IO[bytes]) -> Iterator[TopicRecord]:
    while head := out.readline():
        partition, offset, append_ms, size = map(int, head.split())
        yield TopicRecord(partition, offset, append_ms / 1000, out.read(max(0, size)))
