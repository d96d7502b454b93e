"""The servers of tests start, keep what they hold over a restart, and leave nothing behind."""

import json
import urllib.request
from pathlib import Path

import psycopg
import pytest
from paho.mqtt import publish, subscribe

from tests.servers.alertmanager import running_alertmanager
from tests.servers.mosquitto import running_mosquitto
from tests.servers.postgres import running_postgres
from tests.servers.process import ServerProcess, accepts, free_port
from tests.servers.programs import PROGRAMS, path_of


@pytest.mark.broker
def test_every_program_is_installed() -> None:
    assert [program for program in PROGRAMS if path_of(program) is None] == []


@pytest.mark.broker
def test_postgresql_keeps_what_was_committed_over_a_kill() -> None:
    with running_postgres() as server:
        address = server.create_database().replace("+psycopg", "")
        with psycopg.connect(address) as connection:
            connection.execute("CREATE TABLE pieces (number int)")
            connection.execute("INSERT INTO pieces VALUES (7)")
        server.kill()
        assert not accepts(server.port)
        server.start()
        with psycopg.connect(address) as connection:
            assert connection.execute("SELECT number FROM pieces").fetchall() == [(7,)]
        port = server.port
    assert not accepts(port)


@pytest.mark.broker
def test_mosquitto_keeps_retained_messages_over_a_restart(tmp_path: Path) -> None:
    with running_mosquitto(tmp_path) as server:
        publish.single("line-1/state", "firing", qos=1, retain=True, hostname="127.0.0.1", port=server.port)
        server.stop()
        server.start()
        message = subscribe.simple("line-1/state", hostname="127.0.0.1", port=server.port)
        assert not isinstance(message, list)
        assert message.payload == b"firing"
    assert not accepts(server.port)


@pytest.mark.broker
def test_alertmanager_answers(tmp_path: Path) -> None:
    with running_alertmanager(tmp_path) as server:
        status = f"http://127.0.0.1:{server.port}/api/v2/status"
        assert "versionInfo" in json.loads(urllib.request.urlopen(status, timeout=60).read())
    assert not accepts(server.port)


def test_a_server_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    server = ServerProcess(["sh", "-c", "echo no room; exit 3"], free_port(), tmp_path / "log")
    with pytest.raises(RuntimeError, match="no room"):
        server.start()
