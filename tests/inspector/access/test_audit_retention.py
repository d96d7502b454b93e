"""Old files of the audit log are removed by its limits, and the log says so."""

import os
import re
import shutil
import signal
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from inspector.access.audit.key import PUBLIC_FILE, PublicKey
from inspector.access.audit.log import CHECK_NS, SYSTEM, AuditLog
from inspector.access.audit.metrics import watch_size
from inspector.access.audit.record import Record
from inspector.access.audit.retention import DAY_NS, REMOVE, Limits, audit_bytes
from inspector.access.audit.segments import closed_files
from inspector.access.audit.verify import verify
from inspector.access.principal import Principal
from inspector.access.roles import Role
from tests.inspector.access.test_audit_segments import SEGMENT_BYTES, acts, move_away, records, verified

LEE = Principal("lee", Role.QUALITY, "token")
MAX_BYTES = 5 * SEGMENT_BYTES
NOW_NS = 1_800_000_000 * 10**9
ROOT = Path(__file__).parents[3]


def opened(folder: Path, limits: Limits, clock_ns: Callable[[], int] = lambda: NOW_NS) -> AuditLog:
    return AuditLog(folder, clock_ns, SEGMENT_BYTES, limits)


def fill(log: AuditLog, count: int = 40) -> None:
    for number in range(count):
        log.append(LEE, "feedback.give", f"piece-{number}")


def removals(folder: Path) -> list[Record]:
    return [record for record in records(folder) if record.action == REMOVE]


def test_a_log_stays_within_its_bytes_and_says_from_where_it_is_known(tmp_path: Path) -> None:
    log = opened(tmp_path / "audit", Limits(max_bytes=MAX_BYTES))
    for number in range(60):
        log.append(LEE, "feedback.give", f"piece-{number}")
        assert audit_bytes(log.folder) <= MAX_BYTES
    oldest, last = records(log.folder)[0], removals(log.folder)[-1]
    assert oldest.number == last.detail["last"] + 1  # type: ignore[operator]
    assert oldest.previous == last.detail["hash"]
    assert acts(log.folder)[-1] == "piece-59"
    result = verified(log.folder)
    assert (result.problems, result.first, result.is_removed_by_limits) == ((), oldest.number, True)


def test_what_is_too_old_is_removed_and_the_rest_stays(tmp_path: Path) -> None:
    now_ns = NOW_NS
    log = opened(tmp_path / "audit", Limits(keep_days=30.0), lambda: now_ns)
    fill(log)
    num_files = len(closed_files(log.folder))
    now_ns += 29 * DAY_NS
    fill(log)
    assert removals(log.folder) == []
    now_ns += 2 * DAY_NS
    log.append(LEE, "feedback.give", "later")
    (record,) = removals(log.folder)
    assert (record.name, record.detail["first"], record.detail["files"]) == ("inspector", 1, num_files)
    assert len([target for target in acts(log.folder) if target != "later"]) >= 40
    assert verified(log.folder).problems == ()


def test_the_file_that_grows_is_never_removed(tmp_path: Path) -> None:
    now_ns = NOW_NS
    log = opened(tmp_path / "audit", Limits(keep_days=1.0, max_bytes=1), lambda: now_ns)
    fill(log)
    now_ns += 100 * DAY_NS
    log.append(LEE, "feedback.give", "later")
    assert acts(log.folder)[-1] == "later"
    assert verified(log.folder).problems == ()


def test_without_limits_nothing_is_removed(tmp_path: Path) -> None:
    log = opened(tmp_path / "audit", Limits())
    fill(log)
    assert records(log.folder)[0].number == 1
    assert removals(log.folder) == []


def test_limits_are_looked_at_again_after_an_hour(tmp_path: Path) -> None:
    now_ns = NOW_NS
    fill(opened(tmp_path / "audit", Limits()))
    log = opened(tmp_path / "audit", Limits(keep_days=1.0), lambda: now_ns)
    now_ns += DAY_NS - CHECK_NS // 4
    log.append(LEE, "feedback.give", "looks")
    now_ns += CHECK_NS // 2
    log.append(LEE, "feedback.give", "does not look")
    assert removals(log.folder) == []
    now_ns += CHECK_NS // 2
    log.append(LEE, "feedback.give", "looks again")
    assert len(removals(log.folder)) == 1


def test_a_file_that_is_not_as_it_was_written_stays_and_the_act_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "audit"
    fill(opened(folder, Limits()))
    oldest = closed_files(folder)[0]
    oldest.write_bytes(b"".join(oldest.read_bytes().splitlines(keepends=True)[:-1]))
    opened(folder, Limits(max_bytes=MAX_BYTES)).append(LEE, "feedback.give", "goes on")
    assert oldest.exists()
    assert acts(folder)[-1] == "goes on"
    assert "does not follow from" in caplog.text


def test_a_removal_is_no_cover_for_more_files_or_other_records(tmp_path: Path) -> None:
    log = opened(tmp_path / "audit", Limits(max_bytes=MAX_BYTES))
    fill(log)
    last = removals(log.folder)[-1]
    log.append(SYSTEM, REMOVE, last.target, {**last.detail, "hash": "0" * 64})
    key = PublicKey.from_file(log.folder / PUBLIC_FILE)
    (problem,) = verify(log.folder, key).problems
    assert "which was another" in problem
    move_away(log.folder, 1)
    assert not verify(log.folder, key).is_removed_by_limits


def append_until_killed(folder: Path, step: int) -> None:
    """In a process of its own, which ends before it removes its file number `step`."""
    unlink, steps = Path.unlink, iter(range(step - 1, -1, -1))

    def counted(path: Path, missing_ok: bool = False) -> None:
        if next(steps) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        unlink(path, missing_ok)

    Path.unlink = counted  # type: ignore[method-assign, assignment]
    opened(folder, Limits(max_bytes=MAX_BYTES)).append(LEE, "feedback.give", "killed")


def test_a_process_killed_before_any_file_is_removed_leaves_a_log_that_goes_on(tmp_path: Path) -> None:
    """The next act removes what is left over. Crashes while a record is written: test_audit_segments.py."""
    whole, num_killed, step = tmp_path / "whole", 0, 1
    fill(opened(whole, Limits()), 14)
    while True:
        folder = Path(shutil.copytree(whole, tmp_path / str(step)))
        process = get_context("fork").Process(target=append_until_killed, args=(folder, step))
        process.start()
        process.join()
        assert verified(folder).problems == (), step
        opened(folder, Limits(max_bytes=MAX_BYTES)).append(LEE, "feedback.give", "after")
        assert verified(folder).problems == (), step
        assert audit_bytes(folder) <= MAX_BYTES, step
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        num_killed, step = num_killed + 1, step + 1
    assert num_killed >= 2


def test_the_size_of_the_log_is_a_metric(tmp_path: Path) -> None:
    registry, log = CollectorRegistry(), opened(tmp_path / "audit", Limits())
    watch_size(registry, log.folder)
    fill(log)
    sizes = [file.stat().st_size for file in log.folder.glob("*.jsonl")]
    assert registry.get_sample_value("inspector_audit_bytes") == sum(sizes)


def test_an_audit_folder_that_is_not_there_has_no_size(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    watch_size(registry, tmp_path / "none")
    assert registry.get_sample_value("inspector_audit_bytes") == 0
    assert os.listdir(tmp_path) == []


def test_the_alert_rule_asks_for_the_metric() -> None:
    registry = CollectorRegistry()
    watch_size(registry, ROOT)
    (name,) = re.findall(r"expr: (\w+)", (ROOT / "deploy/prometheus/audit.rules.yaml").read_text())
    assert registry.get_sample_value(name) is not None
