"""The embedded log under kill -9, SIGSTOP and several writers."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from streams.embedded import EmbeddedLog
from streams.log import (
    Position,
)
from tests.embedded_parts import FRAMES, frames, output, poll_records, publish, values, verdict_values


@pytest.fixture
def path(disk_path: Path) -> Path:
    return disk_path / "log.db"


def append(path: Path, writer: int, count: int) -> None:
    log = EmbeddedLog(path)
    with closing(log.publisher()) as publisher:
        for index in range(count):
            publisher.publish(frames(b"%d:%d" % (writer, index)))


def test_several_processes_open_a_new_file_and_append_at_once(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=append, args=(path, writer, 50)) for writer in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    with closing(EmbeddedLog(path).source(["l1"], "qa", "w")) as source:
        source.poll(0)
        got = values(source.poll(0))
    for number in range(3):
        mine = [value for value in got if value.startswith(b"%d:" % number)]
        assert mine == [b"%d:%d" % (number, index) for index in range(50)]


WORKER = """
import sys
from pathlib import Path
from streams.embedded import EmbeddedLog
from streams.log import Position
from streams.records import Output, TopicPartition
log = EmbeddedLog(Path(sys.argv[1]))
source, sink = log.source(["l1"], "qa", "w"), log.sink()
print("up", flush=True)
while True:
    batch = source.poll(0.05)
    for record in batch.records:
        verdicts = [Output("qa.l1.verdicts", 0, b"", record.value, "t")]
        sink.commit(verdicts, {TopicPartition(record.topic, 0): Position(record.offset + 1)}, batch.epoch)
"""


def start_worker(path: Path) -> subprocess.Popen[bytes]:
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(path)], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"up\n"
    return worker


def end(worker: subprocess.Popen[bytes]) -> None:
    worker.kill()
    worker.communicate()


def test_a_worker_killed_between_and_in_commits_publishes_each_record_once(path: Path) -> None:
    log, sent = EmbeddedLog(path), [b"%d" % index for index in range(400)]
    publish(log, *frames(*sent))
    kills = 0
    while len(seen := verdict_values(log)) < len(sent):
        worker = start_worker(path)
        while len(verdict_values(log)) in range(len(seen), min(len(seen) + 60, len(sent))):
            time.sleep(0.001)
        end(worker)
        kills += 1
    assert kills >= 4
    assert verdict_values(log) == sent


def test_a_producer_killed_while_appending_leaves_whole_batches(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from streams.embedded import EmbeddedLog\n"
        "from streams.records import Output\n"
        "publisher = EmbeddedLog(Path(sys.argv[1])).publisher()\n"
        "for i in range(10**9): publisher.publish([Output('qa.l1.frames', 0, b'', b'%d' % i, 't')] * 3)"
    )
    producer = subprocess.Popen([sys.executable, "-c", script, str(path)])
    log = EmbeddedLog(path)
    with closing(log.source(["l1"], "qa", "w")) as source:
        got = values(poll_records(source, tries=100))
        end(producer)
        while more := values(source.poll(0)):
            got += more
    assert got == [b"%d" % (index // 3) for index in range(len(got))]
    assert len(got) % 3 == 0
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


TORN = """
import os, sys
from pathlib import Path
from streams.embedded import EmbeddedSettings
from streams.embedded.store import Store
from streams.records import Output
store = Store(Path(sys.argv[1]), EmbeddedSettings())
with store.write(durable=True):
    store.append([Output("qa.l1.verdicts", 0, b"", bytes(100_000), "t")] * 100)
    os.kill(os.getpid(), 9)
"""


def test_a_process_killed_before_the_end_of_its_transaction_leaves_nothing(path: Path) -> None:
    log = EmbeddedLog(path)
    killed = subprocess.run([sys.executable, "-c", TORN, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert verdict_values(log) == []
    publish(log, output("verdicts", b"next"))
    assert verdict_values(log) == [b"next"]


def test_a_stopped_owner_that_wakes_publishes_nothing(path: Path) -> None:
    log = EmbeddedLog(path)
    publish(log, *frames(b"0"))
    worker = start_worker(path)
    while not verdict_values(log):
        time.sleep(0.005)
    os.kill(worker.pid, signal.SIGSTOP)
    try:
        with closing(log.source(["l1"], "qa", "w")) as source, closing(log.sink()) as sink:
            epoch = source.poll(0).epoch
            os.kill(worker.pid, signal.SIGCONT)
            publish(log, *frames(b"1"))
            batch = poll_records(source)
            sink.commit([output("verdicts", b"1")], {FRAMES: Position(batch.records[-1].offset + 1)}, epoch)
            time.sleep(0.3)  # the woken process polls 20 times a second
            assert worker.poll() is None
    finally:
        os.kill(worker.pid, signal.SIGCONT)
        end(worker)
    assert verdict_values(log) == [b"0", b"1"]
