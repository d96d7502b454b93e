"""`inspector access`, `inspector audit`, and who may deploy."""

import getpass
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inspector.access.audit.files import HEADS_FILE, LOG_FILE, lines_of
from inspector.access.audit.log import AuditLog
from inspector.access.audit.record import Record, parsed
from inspector.access.audit.segments import closed_files
from inspector.access.principal import Principal
from inspector.access.roles import RULES, Role
from inspector.cli import main
from tests.bundles import Toy, edit_manifest, write_toy_bundle
from tests.inspector.rollout.toys import CONFIG, RECIPE

TOKENS = '[access]\ntoken_file = "tokens.json"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "service.toml").write_text(CONFIG + TOKENS)
    (tmp_path / "cup.toml").write_text(RECIPE)
    write_toy_bundle(tmp_path / "own", Toy(name="own"))
    edit_manifest(write_toy_bundle(tmp_path / "made"), {"version": "2"})
    return tmp_path / "service.toml"


def called(config: Path, *words: str, token: str = "") -> Result:
    environment = {"INSPECTOR_TOKEN": token}
    return CliRunner().invoke(main, [*words, "--config", str(config)], env=environment)


def token_of(config: Path, role: str) -> str:
    done = called(config, "access", "token", "add", f"{role}-1", role)
    assert done.exit_code == 0, done.output
    return done.output.strip()


def records(config: Path) -> list[Record]:
    return [parsed(line)[0] for line in lines_of(config.parent / "audit" / LOG_FILE)]


def test_roles_lists_every_action_with_its_role_and_meaning() -> None:
    listed = CliRunner().invoke(main, ["access", "roles"]).output.splitlines()
    assert len(listed) == len(RULES)
    assert listed[0].split() == ["viewer", "verdicts.watch", *RULES["verdicts.watch"].meaning.split()]


def test_a_token_is_shown_once_and_listed_without_its_secret(config: Path) -> None:
    shown = token_of(config, "operator")
    token_id = shown.split("_")[1]
    listed = called(config, "access", "token", "list").output
    assert listed.startswith(f"{token_id}  valid    operator  operator-1  made ")
    assert shown not in listed
    assert f"by {getpass.getuser()}@" in listed
    assert called(config, "access", "token", "revoke", token_id).exit_code == 0
    assert f"{token_id}  revoked" in called(config, "access", "token", "list").output


def test_tokens_are_added_by_the_owner_of_the_file_or_an_engineer_with_a_token(config: Path) -> None:
    operator, engineer = token_of(config, "operator"), token_of(config, "engineer")
    refused = called(config, "access", "token", "add", "x", "viewer", token=operator)
    assert refused.exit_code == 1
    assert "operator-1 is operator, and users.change needs engineer" in refused.output
    assert called(config, "access", "token", "add", "x", "viewer", "--days", "3", token=engineer).exit_code == 0
    assert records(config)[-1].name == "engineer-1"
    assert records(config)[-1].detail == {"change": "add token", "role": "viewer", "days": 3}


@pytest.mark.parametrize("role", ["viewer", "operator", "quality"])
def test_only_an_engineer_may_deploy_and_roll_back(config: Path, role: str) -> None:
    bundle, token = str(config.parent / "made"), token_of(config, role)
    for words in (("deploy", bundle, "--no-wait"), ("rollback", "--no-wait"), ("deployments", "--tidy")):
        refused = called(config, *words, token=token)
        assert refused.exit_code == 1
        assert f"{role}-1 is {role}" in refused.output
    assert called(config, "deployments", token=token).exit_code == 0


def test_a_user_without_a_role_may_not_deploy_and_is_told_what_to_do(config: Path) -> None:
    token_of(config, "engineer")
    refused = called(config, "deploy", str(config.parent / "made"), "--no-wait")
    assert refused.exit_code == 1
    assert "add it to [access.os_users], or give a token with --token-file or INSPECTOR_TOKEN" in refused.output


def test_a_deployment_carries_the_name_of_the_token_and_is_recorded(config: Path) -> None:
    token = token_of(config, "engineer")
    bundle = str(config.parent / "made")
    done = called(config, "deploy", bundle, "--no-wait", "--reason", "new light", token=token)
    assert done.exit_code == 0, done.output
    record = records(config)[-1]
    assert (record.name, record.origin, record.action, record.target) == ("engineer-1", "token", "deploy", "cup on l1")
    assert record.detail == {"bundle": bundle, "mode": "live", "reason": "new light"}
    assert " engineer-1 (new light): live" in called(config, "deployments", token=token).output
    called(config, "rollback", "--no-wait", token=token)
    assert records(config)[-1].action == "rollback"


def test_a_deployment_that_fails_is_recorded_as_failed(config: Path) -> None:
    token = token_of(config, "engineer")
    assert called(config, "deploy", str(config.parent / "nowhere"), "--no-wait", token=token).exit_code == 1
    *_, attempt, failure = records(config)
    assert failure.detail == {"failed": "BundleError", "record": attempt.number}


def test_a_user_of_the_operating_system_may_deploy_with_a_role(config: Path) -> None:
    config.write_text(config.read_text() + f'[access.os_users]\n{getpass.getuser()} = "engineer"\n')
    assert called(config, "deploy", str(config.parent / "made"), "--no-wait").exit_code == 0
    assert records(config)[-1].origin == "os-user"


def test_without_configuration_everybody_on_this_machine_may_deploy_under_their_name(config: Path) -> None:
    config.write_text(CONFIG)
    assert called(config, "deploy", str(config.parent / "made"), "--no-wait").exit_code == 0
    assert records(config)[-1].name.startswith(f"{getpass.getuser()}@")


def test_verify_and_show(config: Path) -> None:
    token = token_of(config, "quality")
    whole = called(config, "audit", "verify", token=token)
    assert (whole.exit_code, "2 records and 2 heads agree" in whole.output) == (0, True)
    shown = called(config, "audit", "show", "--last", "1", token=token).output
    assert "users.change quality-1 - change: add token" in shown
    assert len(called(config, "audit", "show", "--json", token=token).output.splitlines()) == 2
    log = config.parent / "audit" / LOG_FILE
    log.write_bytes(log.read_bytes().replace(b'"days":0', b'"days":9'))
    edited = called(config, "audit", "verify", token=token)
    assert edited.exit_code == 1
    assert "log.jsonl line 2 was edited: its hash is another" in edited.output


def test_a_log_of_several_files_is_shown_and_verified_also_after_the_oldest_was_moved_away(config: Path) -> None:
    token, large = token_of(config, "quality"), {f"{number}": "é" * 1000 for number in range(32)}
    config.write_text(config.read_text() + "[access.audit]\nsegment_bytes = 1048576\n")
    log = AuditLog(config.parent / "audit", segment_bytes=2**20)
    for number in range(7):
        log.append(Principal("lee", Role.OPERATOR, "token"), "feedback.give", f"large-{number}", large)
    assert called(config, "audit", "verify", token=token).output.startswith("10 records and 11 heads agree")
    shown = called(config, "audit", "show", "--last", "4", token=token).output
    assert [f"large-{number}" in shown for number in range(7)] == [False, False, False, False, True, True, True]
    closed, *_ = closed_files(log.folder)
    for name in (closed.name, closed.name.replace("log", "heads")):
        (log.folder / name).rename(config.parent / name)
    moved = called(config, "audit", "verify", token=token)
    assert moved.exit_code == 0
    assert "older records were moved away, and the signed head of record 10 covers them, too" in moved.output


def test_heads_sent_elsewhere_find_a_log_that_was_cut_with_its_heads(config: Path) -> None:
    token, place = token_of(config, "quality"), str(config.parent / "elsewhere")
    assert "the head of record 2 was written" in called(config, "audit", "send-head", "--to", place, token=token).output
    for name in (LOG_FILE, HEADS_FILE):
        file = config.parent / "audit" / name
        file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:1]))
    assert called(config, "audit", "verify", token=token).exit_code == 0
    verified = called(config, "audit", "verify", "--heads", place, token=token)
    assert verified.exit_code == 1
    assert "record 2 existed and is gone; the log ends at 1" in verified.output


def test_the_audit_log_is_read_by_quality_and_not_by_operators(config: Path) -> None:
    token = token_of(config, "operator")
    for words in (("verify",), ("show",), ("send-head", "--to", "x")):
        assert called(config, "audit", *words, token=token).exit_code == 1


@pytest.mark.parametrize(
    ("words", "role", "action"),
    [
        (("archive", "export", "--out"), "quality", "archive.export"),
        (("archive", "rebuild"), "engineer", "archive.change"),
    ],
)
def test_changes_of_the_archive_need_a_role_and_are_recorded(
    config: Path, words: tuple[str, ...], role: str, action: str
) -> None:
    more = (str(config.parent / "out"),) if words[-1] == "--out" else ()
    refused = called(config, *words, *more, token=token_of(config, "operator"))
    assert (refused.exit_code, f"{action} needs {role}" in refused.output) == (1, True)
    done = called(config, *words, *more, token=token_of(config, role))
    assert done.exit_code == 0, done.output
    assert (records(config)[-1].name, records(config)[-1].action) == (f"{role}-1", action)


def test_tokens_need_a_file_in_the_configuration(config: Path) -> None:
    config.write_text(CONFIG)
    refused = called(config, "access", "token", "add", "x", "viewer")
    assert refused.exit_code == 1
    assert 'add [access] token_file = "tokens.json"' in refused.output


def test_the_second_verifier_agrees_about_a_log_that_the_commands_wrote(config: Path, tmp_path: Path) -> None:
    token_of(config, "viewer")
    copy = shutil.copytree(config.parent / "audit", tmp_path / "copy")
    script = Path(__file__).parents[2] / "audit_verifier.py"
    assert subprocess.run([sys.executable, str(script), str(copy)], check=False).returncode == 0
