"""What a worker says at its start."""

from contextlib import closing
from pathlib import Path

import pytest

from inspector.worker import _resolver
from streams import addresses
from tests.inspector.test_check import service_with


def test_a_worker_says_at_its_start_which_package_its_references_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = service_with(tmp_path, prefixes='"gs://frames/"')
    monkeypatch.setattr(addresses, "find_spec", lambda name: None)
    with closing(_resolver(service)):
        (message,) = (record.message for record in caplog.records if record.name == "inspector.worker")
    assert "gs://frames/: needs the package gcsfs, which is not installed; pip install gcsfs" in message
