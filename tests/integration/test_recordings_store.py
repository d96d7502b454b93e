"""Recordings in a real S3 store: kept once, read back, removed, and kept later after an outage."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from inspector.archive.database import Database
from inspector.archive.migrate import upgrade
from inspector.archive.recordings import remote_store
from inspector.archive.recordings.kept_inputs import KeptInputs
from inspector.archive.recordings.objects import (
    ObjectDamagedError,
    ObjectMissingError,
    ObjectStoreError,
    digest_of,
    name_of,
)
from inspector.archive.recordings.remote_store import RemoteStore
from inspector.archive.rows import PieceFilter
from inspector.recipe.keep import Keep
from streams.references import stores
from tests.inspector.archive.recordings.kept_line import KeptLine, archive_verdicts
from tests.inspector.archive.recordings.recorded_line import PREFIX, assert_equal
from tests.inspector.archive.recordings.test_inputs import Judged
from tests.servers.seaweed import IS_MISSING, S3, WHY_MISSING, logged_in, running_s3

pytestmark = [pytest.mark.broker, pytest.mark.skipif(IS_MISSING, reason=WHY_MISSING)]
NUM = 3


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with running_s3(tmp_path_factory.mktemp("s3")) as server, logged_in(server.url):
        yield server


@pytest.fixture
def store(s3: S3, request: pytest.FixtureRequest) -> RemoteStore:
    return RemoteStore(f"s3://frames/{request.node.name.partition('[')[0]}", timeout_s=20.0)


def test_a_content_is_kept_once_read_back_and_removed(store: RemoteStore) -> None:
    content = os.urandom(200_000)
    digest = store.put(content)
    assert store.put(content) == digest
    assert store.get(digest, 200_000) == content
    assert store.get(store.put(b""), 10) == b""
    with pytest.raises(ObjectDamagedError, match="200000 bytes, expected up to 199999"):
        store.get(digest, 199_999)
    assert [file.digest for file in store.listed(digest[:2])] == [digest]
    assert not store.remove(digest, 3600)
    assert store.remove(digest, 0)
    assert store.remove(digest, 0)
    with pytest.raises(ObjectMissingError, match="has no file"):
        store.get(digest, 200_000)
    assert list(store.listed(digest[:2])) == []


def test_a_file_that_another_process_wrote_meanwhile_stays(store: RemoteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was there when this one looked."""
    store.put(b"content")
    monkeypatch.setattr(store, "_info", lambda path: None)
    assert store.put(b"content") == digest_of(b"content")
    monkeypatch.undo()
    assert store.get(digest_of(b"content"), 100) == b"content"


def test_a_changed_file_is_noticed(store: RemoteStore) -> None:
    digest = store.put(b"content")
    stores._client("s3").pipe(f"{store._root}/{name_of(digest)}", b"c0ntent")
    with pytest.raises(ObjectDamagedError, match="is damaged"):
        store.get(digest, 100)


def test_asking_for_an_old_file_makes_it_young_again(store: RemoteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = store.put(b"content")
    before = stores._client("s3").info(f"{store._root}/{name_of(digest)}", refresh=True)["LastModified"]
    monkeypatch.setattr(remote_store, "RENEW_AFTER_S", -10.0)
    while stores._client("s3").info(f"{store._root}/{name_of(digest)}", refresh=True)["LastModified"] == before:
        store.put(b"content")
    assert store.get(digest, 100) == b"content"


@pytest.mark.parametrize("address", ["s3://no-such-bucket/a", "s3://frames/a"])
def test_an_error_names_the_store_and_no_secret(s3: S3, address: str) -> None:
    with logged_in(s3.url, "wrong-secret"), pytest.raises(ObjectStoreError, match=f"{address} cannot be used") as error:
        RemoteStore(address).put(b"content")
    assert "wrong-secret" not in str(error.value)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return Judged(tmp_path_factory.mktemp("judged"), NUM)


@pytest.fixture
def line(judged: Judged, store: RemoteStore, tmp_path: Path) -> Iterator[KeptLine]:
    with closing(Database(f"sqlite:///{tmp_path / 'archive.sqlite'}")) as database:
        upgrade(database)
        archive_verdicts(judged.log, database)
        with closing(KeptLine(judged.log, PREFIX, database, store)) as line:
            line.inputs.close()
            line.inputs = judged.reader()
            line.keeper = line.keeper_of(store)
            yield line


def test_pieces_come_back_as_they_were_judged(judged: Judged, line: KeptLine) -> None:
    line.run()
    for row in line.archive.find(PieceFilter(), limit=100):
        again = KeptInputs(line.archive, line.store).read(row.key)
        assert again.is_whole, again.missing
        expected = next(piece for name, piece in judged.observations.items() if name.piece_id == row.piece_id)
        assert_equal(again.observation, expected)


def test_what_is_too_old_goes(line: KeptLine) -> None:
    line.run()
    line.keeps = {"disc": Keep(pieces="all", pass_days=1e-9, fail_days=1e-9)}
    assert line.retention().apply() == NUM
    assert line.retention().sweep() == 0
    prefixes = [f"{number:02x}" for number in range(256)]
    assert [file for prefix in prefixes for file in line.store.listed(prefix)] == []


def test_a_store_that_hangs_is_waited_for_in_bounded_time_and_used_again_later(s3: S3, line: KeptLine) -> None:
    store = RemoteStore(line.store.name, timeout_s=0.5)
    keeper = line.keeper_of(store)
    s3.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(ObjectStoreError, match="cannot be used"):
            keeper.step()
    finally:
        s3.process.send_signal(signal.SIGCONT)
    line.run()
    assert line.value("kept_pieces_total", decision="pass") + line.value("kept_pieces_total", decision="fail") == NUM
