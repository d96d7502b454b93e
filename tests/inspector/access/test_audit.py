"""An audit log that was edited, swapped or cut off is found, by our verifier and by one that shares no code."""

import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspector.access.audit import heads as heads_module
from inspector.access.audit.files import HEADS_FILE, LOG_FILE, lines_of
from inspector.access.audit.heads import HeadSender, HeadsError, heads_at, newest_head, send_head
from inspector.access.audit.key import KEY_FILE, PUBLIC_FILE, PublicKey
from inspector.access.audit.log import AuditLog
from inspector.access.audit.open import open_audit, warn_of_lone_log
from inspector.access.audit.protocol import AuditError, OutcomeUnknownError
from inspector.access.audit.record import MAX_LINE_BYTES, parsed, parsed_head
from inspector.access.audit.verify import verify
from inspector.access.principal import Principal
from inspector.access.roles import Role
from inspector.access.settings import AuditSettings
from tests import audit_verifier
from tests.waiting import until

LEE = Principal("lee", Role.QUALITY, "token")
NUM_RECORDS = 9
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of nine records; tests copy it."""
    folder = tmp_path_factory.mktemp("audit") / "whole"
    log = AuditLog(folder)
    for number in range(NUM_RECORDS - 1):
        log.append(LEE, "feedback.give", f"line-1/s/piece-{number}/0", {"label": "NOK", "number": number})
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def ours(folder: Path, heads: Path | None = None, key: Path | None = None) -> bool:
    public = PublicKey.from_file(key or folder / PUBLIC_FILE)
    return bool(verify(folder, public, heads_at(str(heads)) if heads else None).problems)


def theirs(folder: Path, heads: Path | None = None, key: Path | None = None) -> bool:
    return bool(list(audit_verifier.problems(folder, heads, key)))


def found(folder: Path, heads: Path | None = None, key: Path | None = None) -> bool:
    """Both verifiers say the same."""
    is_found = ours(folder, heads, key)
    assert theirs(folder, heads, key) is is_found
    return is_found


def rewrite(file: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))


def test_a_log_as_it_was_written_is_whole(whole: Path) -> None:
    assert not found(whole)
    result = verify(whole, PublicKey.from_file(whole / PUBLIC_FILE))
    assert (result.num_records, result.num_heads) == (NUM_RECORDS, NUM_RECORDS)
    assert result.last is not None
    assert result.last.target == "line-1/s/piece-7/0"


@pytest.mark.parametrize("index", range(NUM_RECORDS))
def test_every_removed_record_is_found(copy: Path, index: int) -> None:
    rewrite(copy / LOG_FILE, lambda lines: lines[:index] + lines[index + 1 :])
    assert found(copy)


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(range(NUM_RECORDS), 2)])
def test_every_swap_of_two_records_is_found(copy: Path, one: int, other: int) -> None:
    def swapped(lines: list[bytes]) -> list[bytes]:
        lines[one], lines[other] = lines[other], lines[one]
        return lines

    rewrite(copy / LOG_FILE, swapped)
    assert found(copy)


@pytest.mark.parametrize("count", range(NUM_RECORDS))
def test_every_cut_at_a_record_is_found(copy: Path, count: int) -> None:
    rewrite(copy / LOG_FILE, lambda lines: lines[:count])
    assert found(copy)


@pytest.mark.parametrize("count", range(1, NUM_RECORDS))
def test_a_log_cut_together_with_its_heads_is_found_by_heads_kept_elsewhere(
    copy: Path, whole: Path, tmp_path: Path, count: int
) -> None:
    send_head(newest_head(whole), str(tmp_path / "elsewhere"))
    for name in (LOG_FILE, HEADS_FILE):
        rewrite(copy / name, lambda lines: lines[:count])
    assert not found(copy)
    assert found(copy, tmp_path / "elsewhere")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255))
def test_every_changed_byte_is_found(copy: Path, whole: Path, place: float, bits: int) -> None:
    data = bytearray((whole / LOG_FILE).read_bytes())
    data[int(place * len(data))] ^= bits
    (copy / LOG_FILE).write_bytes(data)
    assert found(copy)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True))
def test_a_cut_at_any_byte_is_found(copy: Path, whole: Path, place: float) -> None:
    data = (whole / LOG_FILE).read_bytes()
    (copy / LOG_FILE).write_bytes(data[: int(place * len(data))])
    assert found(copy)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(NUM_RECORDS)))
def test_every_other_order_is_found(copy: Path, whole: Path, order: list[int]) -> None:
    lines = (whole / LOG_FILE).read_bytes().splitlines(keepends=True)
    (copy / LOG_FILE).write_bytes(b"".join(lines[index] for index in order))
    assert found(copy) is (order != sorted(order))


def test_a_record_written_anew_with_its_hash_and_all_that_follow_is_found_by_the_signature(copy: Path) -> None:
    """As somebody would who may write the files, but has not read the key."""
    previous, lines = "0" * 64, []
    for line in (copy / LOG_FILE).read_bytes().splitlines():
        record = json.loads(line)
        signature = record.pop("signature")
        record.pop("hash")
        record["previous"] = previous
        if record["number"] == 4:
            record["name"] = "somebody else"
        previous = hashlib.sha256(audit_verifier.text(**record)).hexdigest()
        lines.append(audit_verifier.text(**record, hash=previous, signature=signature) + b"\n")
    (copy / LOG_FILE).write_bytes(b"".join(lines))
    (copy / HEADS_FILE).write_bytes(b"")
    assert found(copy)


def test_a_whole_new_log_is_found_by_a_public_key_or_heads_kept_elsewhere(whole: Path, tmp_path: Path) -> None:
    forged, heads = tmp_path / "forged", tmp_path / "heads"
    send_head(newest_head(whole), str(heads))
    log = AuditLog(forged)
    for _ in range(NUM_RECORDS):
        log.append(LEE, "deploy", "nothing", {})
    assert not found(forged)
    assert found(forged, heads)
    assert found(forged, None, whole / PUBLIC_FILE)


def test_an_unfinished_record_of_a_crash_is_cut_off_and_recorded_at_the_next_act(copy: Path) -> None:
    with (copy / LOG_FILE).open("ab") as file:
        file.write(b'{"action":"half a rec')
    assert found(copy)
    AuditLog(copy).append(LEE, "deploy", "x", {})
    assert not found(copy)
    actions = [parsed(line)[0].action for line in lines_of(copy / LOG_FILE)]
    assert actions[-2:] == ["audit.repair", "deploy"]


def test_a_crash_between_record_and_head_leaves_a_whole_log(copy: Path) -> None:
    rewrite(copy / HEADS_FILE, lambda lines: lines[:-1])
    assert not found(copy)
    AuditLog(copy).append(LEE, "deploy", "x", {})
    assert not found(copy)


def cut(folder: Path, count: int) -> None:
    """Cuts both files, as somebody may who can write them."""
    for name in (LOG_FILE, HEADS_FILE):
        rewrite(folder / name, lambda lines: lines[:-count])


def test_a_running_service_notices_that_its_log_was_cut(copy: Path) -> None:
    log = AuditLog(copy)
    log.append(LEE, "deploy", "x")
    cut(copy, 2)
    with pytest.raises(AuditError, match="was cut or replaced"):
        log.append(LEE, "deploy", "y")


def test_a_running_service_notices_a_log_that_was_cut_and_grew_again(copy: Path) -> None:
    log = AuditLog(copy)
    cut(copy, 3)
    other = AuditLog(copy)
    for _ in range(9):
        other.append(LEE, "deploy", "of another process")
    with pytest.raises(AuditError, match="was cut or replaced"):
        log.append(LEE, "deploy", "y")


def test_a_log_that_ends_before_its_heads_is_not_continued(copy: Path) -> None:
    rewrite(copy / LOG_FILE, lambda lines: lines[:-2])
    with pytest.raises(AuditError, match="ends before"):
        AuditLog(copy)


@pytest.mark.parametrize("left", [None, b"", b"xx"])
def test_a_key_without_a_log_does_not_begin_another_one(copy: Path, left: bytes | None) -> None:
    for name in (LOG_FILE, HEADS_FILE):
        (copy / name).unlink()
    if left is not None:
        (copy / LOG_FILE).write_bytes(left)
    with pytest.raises(AuditError, match="has signed records, and"):
        AuditLog(copy)


def test_a_service_that_sends_its_heads_nowhere_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    warn_of_lone_log(AuditSettings(tmp_path / "audit", heads_to=str(tmp_path / "heads")))
    assert "heads_to" not in caplog.text
    warn_of_lone_log(AuditSettings(tmp_path / "audit"))
    assert caplog.text.count("heads_to") == 1
    with open_audit(AuditSettings(tmp_path / "audit")), open_audit(AuditSettings(tmp_path / "audit")):
        assert caplog.text.count("heads_to") == 1


def test_a_crash_while_a_head_is_written_leaves_a_log_that_goes_on(copy: Path) -> None:
    with (copy / HEADS_FILE).open("ab") as file:
        file.write(b'{"hash":"ab')
    for _ in range(2):
        AuditLog(copy).append(LEE, "deploy", "x")
    assert not found(copy)


def test_a_place_without_any_head_is_found(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "heads").mkdir()
    assert ours(copy, tmp_path / "heads")


def test_heads_elsewhere_that_end_long_before_the_log_are_found(tmp_path: Path) -> None:
    now_ns = 10**18
    log = AuditLog(tmp_path / "audit", lambda: now_ns)
    send_head(newest_head(log.folder), str(tmp_path / "heads"))
    log.append(LEE, "deploy", "x")

    def problems() -> tuple[str, ...]:
        return verify(log.folder, log.public_key, heads_at(str(tmp_path / "heads")), every_s=60.0).problems

    now_ns += 60 * 10**9
    log.append(LEE, "deploy", "y")
    assert problems() == ()
    now_ns += 60 * 10**9
    log.append(LEE, "deploy", "z")
    assert "end at record 1" in problems()[0]


def test_the_newest_heads_are_read_where_there_are_too_many(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads_module, "MAX_HEADS", 1)
    for line in lines_of(whole / HEADS_FILE):
        send_head(parsed_head(line), str(tmp_path / "heads"))
    assert [head.number for head in heads_at(str(tmp_path / "heads"))] == [NUM_RECORDS]


def test_a_log_without_its_key_is_not_continued(copy: Path) -> None:
    (copy / KEY_FILE).unlink()
    with pytest.raises(AuditError, match="is gone"):
        AuditLog(copy)


def test_a_key_that_others_may_read_is_not_used(copy: Path) -> None:
    (copy / KEY_FILE).chmod(0o644)
    with pytest.raises(AuditError, match="chmod 600"):
        AuditLog(copy)


def test_the_key_and_the_log_are_not_for_others(copy: Path) -> None:
    assert (copy / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert (copy / LOG_FILE).stat().st_mode & 0o007 == 0


def test_what_cannot_be_recorded_does_not_happen(copy: Path) -> None:
    log, happened = AuditLog(copy), []
    (copy / LOG_FILE).unlink()
    (copy / LOG_FILE).mkdir()
    with pytest.raises(AuditError, match="cannot be written"), log.act(LEE, "deploy", "x"):
        happened.append("deployed")
    assert not happened


def test_an_act_that_fails_is_recorded_twice_and_its_error_goes_on(copy: Path) -> None:
    log = AuditLog(copy)
    with pytest.raises(RuntimeError), log.act(LEE, "deploy", "x", {"bundle": "b"}):
        raise RuntimeError
    *_, before, after = (parsed(line)[0] for line in lines_of(copy / LOG_FILE))
    assert before.detail == {"bundle": "b"}
    assert after.detail == {"failed": "RuntimeError", "record": before.number}


def test_an_act_whose_outcome_nobody_knows_is_not_called_failed(copy: Path) -> None:
    log = AuditLog(copy)
    with pytest.raises(OutcomeUnknownError), log.act(LEE, "deploy", "x"):
        raise OutcomeUnknownError
    *_, before, after = (parsed(line)[0] for line in lines_of(copy / LOG_FILE))
    assert after.detail == {"outcome unknown": "OutcomeUnknownError", "record": before.number}


def test_texts_and_details_are_bounded(copy: Path) -> None:
    huge = "\N{PILE OF POO}" * 100_000
    name = Principal(huge, Role.VIEWER, "token")
    AuditLog(copy).append(name, "deploy", huge, {f"{huge}{number}": huge for number in range(1000)})
    *_, line = lines_of(copy / LOG_FILE)
    assert line.endswith(b"\n")
    assert len(line) < MAX_LINE_BYTES
    AuditLog(copy).append(LEE, "deploy", "after a large record", {})
    assert not found(copy)


def test_hostile_text_stays_one_line(copy: Path) -> None:
    AuditLog(copy).append(LEE, "feedback.give", 'a\nb\r\u2028"\\\x00\ud800', {"note": "\n{}"})
    assert not found(copy)


APPEND = """
import sys
from pathlib import Path
from inspector.access.audit.log import AuditLog
from inspector.access.principal import Principal
from inspector.access.roles import Role
who = Principal(sys.argv[2], Role.OPERATOR, "token")
log = AuditLog(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    log.append(who, "feedback.give", str(number))
"""


def test_processes_that_append_at_the_same_time_make_one_chain(tmp_path: Path) -> None:
    folder, count = tmp_path / "audit", 40
    names = ("one", "two", "three")
    command = [sys.executable, "-c", APPEND, str(folder)]
    running = [subprocess.Popen([*command, name, str(count)], cwd=ROOT) for name in names]
    assert [process.wait(150) for process in running] == [0, 0, 0]
    assert not found(folder)
    records = [parsed(line)[0] for line in lines_of(folder / LOG_FILE)]
    assert len(records) == 1 + 3 * count
    for name in names:
        assert [int(record.target) for record in records if record.name == name] == list(range(count))


def test_a_process_killed_while_it_appends_leaves_a_log_that_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", APPEND, str(folder), "killed", "100000"], cwd=ROOT)
        size = (folder / LOG_FILE).stat().st_size if (folder / LOG_FILE).exists() else 0
        until(lambda: (folder / LOG_FILE).exists() and (folder / LOG_FILE).stat().st_size > size + 5000)  # noqa: B023
        process.kill()
        process.wait()
    AuditLog(folder).append(LEE, "deploy", "after")
    assert not found(folder)


def test_a_sent_head_is_never_replaced(whole: Path, tmp_path: Path) -> None:
    head, place = newest_head(whole), str(tmp_path / "heads")
    assert send_head(head, place)
    assert not send_head(head, place)
    assert [kept.number for kept in heads_at(place)] == [NUM_RECORDS]


def test_a_place_that_cannot_be_written_is_said_and_tried_again(
    copy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "place"
    outcomes: list[bool] = []
    place.write_text("a file")
    with HeadSender(copy, str(place), 0.01, outcomes.append):
        until(lambda: False in outcomes)
        place.unlink()
        until(lambda: True in outcomes)
    assert "it will be tried again" in caplog.text
    assert [kept.number for kept in heads_at(str(place))] == [NUM_RECORDS]


def test_the_last_head_is_sent_when_the_service_ends(copy: Path, tmp_path: Path) -> None:
    with HeadSender(copy, str(tmp_path / "place"), 3600.0):
        AuditLog(copy).append(LEE, "deploy", "x")
    assert [kept.number for kept in heads_at(str(tmp_path / "place"))] == [NUM_RECORDS + 1]


def test_heads_in_an_unknown_kind_of_store_are_an_error_that_says_so() -> None:
    with pytest.raises(HeadsError, match="cannot be opened"):
        list(heads_at("nowhere://heads"))


def test_the_second_verifier_runs_by_itself_and_knows_nothing_of_the_product(copy: Path) -> None:
    script = ROOT / "tests" / "audit_verifier.py"
    assert "inspector" not in script.read_text()
    assert len([line for line in script.read_text().split('"""')[2].splitlines() if line.strip()]) <= 40
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, str(script), str(copy)]
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    rewrite(copy / LOG_FILE, lambda lines: lines[:-1])
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "or its record is gone" in done.stderr
