"""Keeps the recordings of a line as the floor does, until it is killed: `python -m tests.integration.recordings_worker
LOG PREFIX DATABASE STORE IMAGES [BOOTSTRAP LINE]`. `LOG` is the file of an embedded log, or `kafka`."""

import sys
from contextlib import closing
from pathlib import Path

from inspector.archive.database import Database
from inspector.archive.recordings import keeper as module
from inspector.archive.recordings.inputs import InputReader
from streams.embedded import EmbeddedLog
from streams.kafka.log import KafkaLog
from streams.kafka.settings import KafkaSettings
from streams.log import Log
from streams.references.lane import ReferenceSettings
from tests.inspector.archive.recordings.kept_line import KeptLine


def open_log(kind: str, prefix: str, bootstrap: str = "", line: str = "") -> Log:
    if kind == "kafka":
        return KafkaLog(KafkaSettings(bootstrap_servers=(bootstrap,), group=line, worker="keeper"), prefix, [line])
    return EmbeddedLog(Path(kind))


def main(kind: str, prefix: str, database: str, store: str, images: str, *kafka: str) -> None:
    log = open_log(kind, prefix, *kafka)
    with closing(Database(database)) as opened, closing(KeptLine(log, prefix, opened, Path(store))) as line:
        line.inputs.close()
        line.inputs = InputReader(log.reader(), prefix, references=ReferenceSettings((images,)))
        module.MAX_PIECES = 4  # several transactions, and kills between them
        keeper = line.keeper_of(line.store)
        print("ready", flush=True)
        while keeper.step():
            print("kept", flush=True)
        print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
