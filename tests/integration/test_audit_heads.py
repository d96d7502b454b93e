"""Heads of the audit log in a real S3 store: written once, never replaced, and found by `inspector audit verify`."""

from pathlib import Path

import fsspec
import pytest

from inspector.access.audit.files import HEADS_FILE, LOG_FILE
from inspector.access.audit.heads import HeadSender, heads_at, newest_head, send_head
from inspector.access.audit.log import AuditLog
from inspector.access.audit.record import Head
from inspector.access.audit.verify import verify
from inspector.access.principal import Principal
from inspector.access.roles import Role
from tests.servers.seaweed import BUCKET, IS_MISSING, WHY_MISSING, logged_in, running_s3

LEE = Principal("lee", Role.ENGINEER, "token")
pytestmark = [pytest.mark.broker, pytest.mark.skipif(IS_MISSING, reason=WHY_MISSING)]


def test_heads_in_an_object_store_find_a_cut_and_are_never_replaced(tmp_path: Path) -> None:
    place = f"s3://{BUCKET}/audit/edge-1"
    for name in ("s3", "audit"):
        (tmp_path / name).mkdir()
    with running_s3(tmp_path / "s3") as store, logged_in(store.url):
        log = AuditLog(tmp_path / "audit")
        with HeadSender(log.folder, place, 3600.0):
            log.append(LEE, "deploy", "cup on l1")
        head = newest_head(log.folder)
        assert list(heads_at(place)) == [head]
        assert not send_head(Head(head.number, head.hash, "forged"), place)
        assert list(heads_at(place)) == [head]
        assert not verify(log.folder, log.public_key, heads_at(place)).problems
        for name in (LOG_FILE, HEADS_FILE):
            file = log.folder / name
            file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:1]))
        (problem,) = verify(log.folder, log.public_key, heads_at(place)).problems
        assert "record 2 existed and is gone" in problem
        fsspec.filesystem("s3").rm(place, recursive=True)
