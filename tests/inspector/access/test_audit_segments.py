"""A log in segments is one chain: over crashes while a segment is closed, other processes, and old files moved away."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from inspector.access.audit.files import HEADS_FILE, LOG_FILE, lines_of
from inspector.access.audit.heads import heads_at, newest_head, send_head
from inspector.access.audit.key import PUBLIC_FILE, PublicKey
from inspector.access.audit.log import AuditLog
from inspector.access.audit.protocol import AuditError
from inspector.access.audit.record import MAX_LINE_BYTES, Record, parsed
from inspector.access.audit.segments import SEGMENT, closed_files, closed_name, last_lines
from inspector.access.audit.verify import Verification, verify
from inspector.access.principal import Principal
from inspector.access.roles import Role
from tests import audit_verifier

LEE = Principal("lee", Role.QUALITY, "token")
SEGMENT_BYTES = 2000
"""Four records or so."""
NUM_ACTS = 12
ROOT = Path(__file__).parents[3]


def opened(folder: Path) -> AuditLog:
    return AuditLog(folder, segment_bytes=SEGMENT_BYTES)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("segments") / "whole"
    log = opened(folder)
    for number in range(NUM_ACTS):
        log.append(LEE, "feedback.give", f"piece-{number}")
    assert len(closed_files(folder)) >= 3
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def verified(folder: Path, heads: Path | None = None) -> Verification:
    """Both verifiers agree on whether there is a problem."""
    result = verify(folder, PublicKey.from_file(folder / PUBLIC_FILE), heads_at(str(heads)) if heads else None)
    assert bool(list(audit_verifier.problems(folder, heads))) is bool(result.problems), result.problems
    return result


def files(folder: Path) -> list[Path]:
    return [*closed_files(folder), folder / LOG_FILE]


def records(folder: Path) -> list[Record]:
    return [parsed(line)[0] for file in files(folder) if file.exists() for line in lines_of(file)]


def acts(folder: Path) -> list[str]:
    return [record.target for record in records(folder) if record.action == "feedback.give"]


def move_away(folder: Path, count: int) -> Path:
    """As an operator does: the oldest files, with their heads."""
    away = folder.with_name("away")
    away.mkdir()
    for file in [*closed_files(folder)[:count], *closed_files(folder, HEADS_FILE)[:count]]:
        shutil.move(file, away / file.name)
    return away


def test_a_log_over_several_files_is_one_chain(whole: Path) -> None:
    assert verified(whole).problems == ()
    assert acts(whole) == [f"piece-{number}" for number in range(NUM_ACTS)]
    assert all(file.stat().st_size <= SEGMENT_BYTES for file in files(whole))


def test_a_segment_begins_with_a_record_that_names_the_file_and_the_hash_before(whole: Path) -> None:
    for before, file in zip(files(whole), files(whole)[1:], strict=False):
        *_, last = lines_of(before)
        first = parsed(next(iter(lines_of(file))))[0]
        assert (first.action, first.target, first.previous) == (SEGMENT, before.name, parsed(last)[1].hash)
        assert before.name == f"log-{first.number - 1:012d}.jsonl"


def test_heads_are_closed_with_their_records(whole: Path) -> None:
    names = [file.name.replace("log", "heads") for file in closed_files(whole)]
    assert [file.name for file in closed_files(whole, HEADS_FILE)] == names


def test_a_record_larger_than_a_segment_has_one_of_its_own(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit", segment_bytes=1)
    for number in range(3):
        log.append(LEE, "feedback.give", f"piece-{number}")
    assert verified(log.folder).problems == ()
    assert acts(log.folder) == ["piece-0", "piece-1", "piece-2"]
    assert len(closed_files(log.folder)) == 3


@pytest.mark.parametrize("count", [1, 2, 3])
def test_old_segments_may_be_moved_away_and_what_is_left_says_from_where_it_is_known(copy: Path, count: int) -> None:
    away = move_away(copy, count)
    left = verified(copy)
    assert left.problems == ()
    assert left.first == records(copy)[0].number > 1
    assert left.covered_by == records(copy)[-1].number
    opened(copy).append(LEE, "feedback.give", "later")
    for file in away.iterdir():
        shutil.copy(file, copy / file.name)
    together = verified(copy)
    assert (together.problems, together.first) == ((), 1)


def test_a_head_kept_elsewhere_covers_what_was_moved_away(copy: Path, whole: Path, tmp_path: Path) -> None:
    send_head(newest_head(whole), str(tmp_path / "heads"))
    move_away(copy, 2)
    result = verified(copy, tmp_path / "heads")
    assert (result.problems, result.num_outside) == ((), 1)


def test_without_any_head_nothing_speaks_for_what_was_moved_away(copy: Path) -> None:
    move_away(copy, 1)
    for file in [*closed_files(copy, HEADS_FILE), copy / HEADS_FILE]:
        file.unlink()
    assert "no signed head covers" in verified(copy).problems[0]


@pytest.mark.parametrize("index", [1, 2, 3])
def test_a_missing_segment_between_others_is_found(copy: Path, index: int) -> None:
    files(copy)[index].unlink()
    assert verified(copy).problems


def test_a_cut_at_the_beginning_of_a_segment_is_found(copy: Path) -> None:
    move_away(copy, 1)
    oldest = closed_files(copy)[0]
    oldest.write_bytes(b"".join(list(lines_of(oldest))[1:]))
    assert verified(copy).problems


@pytest.mark.parametrize("index", range(4))
def test_edits_cuts_and_swaps_are_found_in_every_segment(copy: Path, index: int) -> None:
    file = files(copy)[index]
    content = file.read_bytes()
    lines = content.splitlines(keepends=True)
    for changed in (
        content.replace(b'"name":"', b'"name":"x', 1),
        b"".join(lines[:-1]),
        b"".join([lines[1], lines[0], *lines[2:]]),
        b"".join([*lines, lines[-1]]),
        content[:-9],
    ):
        file.write_bytes(changed)
        assert verified(copy).problems
    file.write_bytes(content)
    assert verified(copy).problems == ()


def test_two_exchanged_segments_are_found(copy: Path) -> None:
    one, other, *_ = closed_files(copy)
    one_content, other_content = one.read_bytes(), other.read_bytes()
    one.write_bytes(other_content)
    other.write_bytes(one_content)
    assert verified(copy).problems


def test_the_newest_segment_cut_off_whole_is_found_by_its_heads(copy: Path) -> None:
    (copy / LOG_FILE).unlink()
    assert verified(copy).problems
    with pytest.raises(AuditError, match="ends before its heads"):
        opened(copy)


def test_the_last_records_are_read_over_several_files(whole: Path) -> None:
    for count in (1, 5, 1000):
        assert [parsed(line)[0] for line in last_lines(whole, count)] == records(whole)[-count:]


def test_a_segment_is_not_closed_over_a_file_that_is_there(copy: Path) -> None:
    log = opened(copy)
    (copy / f"log-{records(copy)[-1].number:012d}.jsonl").write_bytes(b"of somebody else")
    with pytest.raises(AuditError, match="exists already"):
        log.append(LEE, "feedback.give", "large", {"a": "x" * 1000, "b": "x" * 1000})


def test_a_process_that_did_not_close_the_segment_goes_on_in_the_next(copy: Path) -> None:
    idle, busy = opened(copy), opened(copy)
    for number in range(NUM_ACTS):
        busy.append(LEE, "feedback.give", f"busy-{number}")
    idle.append(LEE, "feedback.give", "idle")
    assert verified(copy).problems == ()


def test_a_process_goes_on_after_the_segment_it_knew_was_moved_away(copy: Path) -> None:
    idle, busy = opened(copy), opened(copy)
    for number in range(NUM_ACTS):
        busy.append(LEE, "feedback.give", f"busy-{number}")
    move_away(copy, len(closed_files(copy)))
    idle.append(LEE, "feedback.give", "idle")
    assert verified(copy).problems == ()


def test_a_process_notices_that_a_closed_segment_was_cut(copy: Path) -> None:
    idle, busy = opened(copy), opened(copy)
    known = records(copy)[-1].number
    for number in range(NUM_ACTS):
        busy.append(LEE, "feedback.give", f"busy-{number}")
    file = next(file for file in closed_files(copy) if file.name >= f"log-{known:012d}.jsonl")
    file.write_bytes(next(iter(lines_of(file))))
    with pytest.raises(AuditError, match="was cut or replaced"):
        idle.append(LEE, "feedback.give", "idle")


KILLED = """
import os, signal, sys, traceback
from pathlib import Path
from inspector.access.audit.log import AuditLog
from inspector.access.principal import Principal
from inspector.access.roles import Role

left = 0
def counted(call):
    def perform(*arguments, **named):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **named)
    return perform

def append(folder, step):
    global left
    left = step
    log = AuditLog(folder, segment_bytes=1)
    for name in ("rename", "write", "fsync", "open", "ftruncate"):
        setattr(os, name, counted(getattr(os, name)))
    log.append(Principal("lee", Role.QUALITY, "token"), "feedback.give", "in the new segment")

for step, folder in enumerate(sys.stdin, 1):
    child = os.fork()
    if child == 0:
        try:
            append(Path(folder.rstrip()), step)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Appends to one folder after another, each in a process of its own, which is killed one call later than the last."""


def test_a_process_killed_at_any_step_while_a_segment_is_closed_leaves_a_log_that_goes_on(tmp_path: Path) -> None:
    """Killed before each call that changes a file: no record is lost, none is there twice, and the chain is whole."""
    num_killed, ended = 0, -signal.SIGKILL
    command, pipe = [sys.executable, "-c", KILLED], subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, bufsize=1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        while ended != 0:
            folder = tmp_path / str(num_killed)
            AuditLog(folder).append(LEE, "feedback.give", "before")
            process.stdin.write(f"{folder}\n")
            ended = int(process.stdout.readline())
            AuditLog(folder).append(LEE, "feedback.give", "after")
            assert verified(folder).problems == (), num_killed
            assert acts(folder) in (["before", "after"], ["before", "in the new segment", "after"])
            assert ended in (0, -signal.SIGKILL)
            num_killed += ended != 0
    assert num_killed >= 10
    assert len(closed_files(folder)) == 1


TORN = b'{"action":"audit.seg'


def test_a_segment_whose_first_record_was_torn_goes_on(copy: Path) -> None:
    head = newest_head(copy)
    os.rename(copy / LOG_FILE, copy / f"log-{head.number:012d}.jsonl")
    (copy / LOG_FILE).write_bytes(TORN)
    opened(copy).append(LEE, "feedback.give", "after")
    assert verified(copy).problems == ()
    assert [record.action for record in records(copy)[-3:]] == [SEGMENT, "audit.repair", "feedback.give"]


WRITE = """
import sys
from pathlib import Path
from inspector.access.audit.log import AuditLog
from inspector.access.principal import Principal
from inspector.access.roles import Role
log = AuditLog(Path(sys.argv[1]), segment_bytes=2000)
for number in range(60):
    log.append(Principal("lee", Role.QUALITY, "token"), "feedback.give", str(number))
"""


def test_a_log_that_is_written_meanwhile_is_verified_as_it_stood_at_one_moment(copy: Path, tmp_path: Path) -> None:
    key, num_verified = PublicKey.from_file(copy / PUBLIC_FILE), 0
    with subprocess.Popen([sys.executable, "-c", WRITE, str(copy)], cwd=ROOT) as process:
        while process.poll() is None:
            send_head(newest_head(copy), str(tmp_path / "heads"))
            assert verify(copy, key, heads_at(str(tmp_path / "heads"))).problems == ()
            num_verified += 1
    assert process.returncode == 0
    assert num_verified > 0


def test_the_newest_head_is_known_between_two_files_of_heads(copy: Path) -> None:
    head = newest_head(copy)
    (copy / HEADS_FILE).rename(copy / closed_name(HEADS_FILE, head.number))
    assert newest_head(copy) == head
    (copy / HEADS_FILE).touch()
    assert newest_head(copy) == head


def test_the_smallest_segment_that_can_be_configured_holds_the_largest_record() -> None:
    assert 2 * MAX_LINE_BYTES <= 2**20
