"""`check` finds what would keep people out, acts from being recorded, or recordings from being kept."""

import time
from pathlib import Path

import pytest

from inspector.access.roles import Role
from inspector.access.tokens import TokenFile
from inspector.config.service import load_service
from inspector.diagnostics.check_config import Report, check
from streams.references import addresses
from tests.inspector.diagnostics.test_check_config import RECIPE, TABLES, VALUES, bundle
from tests.texts import service_text

TOKENS = '[access]\ntoken_file = "tokens.json"\n'


def checked(folder: Path, more: str) -> Report:
    (folder / "service.toml").write_text(service_text("recipe.toml", TABLES.format(**VALUES) + more))
    (folder / "recipe.toml").write_text(RECIPE.format(**VALUES))
    if not (folder / "bundle").exists():
        bundle(folder / "bundle")
    return check(load_service(folder / "service.toml"))


def warned(report: Report) -> bool:
    return any("nobody is engineer" in line for line in report.lines)


def test_a_service_of_this_machine_alone_needs_nothing(tmp_path: Path) -> None:
    report = checked(tmp_path, "")
    assert report.problems == ()
    assert "access: everybody on this machine may do everything" in "\n".join(report.lines)


def test_a_token_file_that_is_missing_is_a_problem(tmp_path: Path) -> None:
    (problem,) = checked(tmp_path, TOKENS).problems
    assert problem.key == "access.token_file"
    assert "cannot be read (No such file or directory)" in problem.expectation
    assert "inspector access token add" in problem.remedy


def test_a_token_file_that_others_may_read_is_a_problem(tmp_path: Path) -> None:
    TokenFile(tmp_path / "tokens.json").add("lee", Role.ENGINEER, "tests")
    (tmp_path / "tokens.json").chmod(0o644)
    (problem,) = checked(tmp_path, TOKENS).problems
    assert "may be read or written by others" in problem.expectation
    assert "chmod 600" in problem.remedy


def test_a_token_file_in_another_form_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "tokens.json").write_text("lee: engineer")
    (tmp_path / "tokens.json").chmod(0o600)
    (problem,) = checked(tmp_path, TOKENS).problems
    assert "is no token file" in problem.expectation


@pytest.mark.parametrize("kind", ["none", "operator", "revoked", "expired"])
def test_a_service_that_nobody_can_change_is_warned_about(tmp_path: Path, kind: str) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    token, _ = file.add("lee", Role.OPERATOR if kind == "operator" else Role.ENGINEER, "tests",
                        time.time_ns() - 1 if kind == "expired" else None)  # fmt: skip
    if kind in ("revoked", "none"):
        file.revoke(token.id)
    report = checked(tmp_path, TOKENS)
    assert report.problems == ()
    assert warned(report)


@pytest.mark.parametrize(
    "more",
    [
        TOKENS,
        '[access]\ntoken_file = "tokens.json"\n[access.os_users]\nlee = "engineer"\n',
        '[access.oidc]\nissuer = "https://sso.example"\nclient_id = "i"\ngroups = { makers = "engineer" }\n',
        '[access]\nallow_anonymous = true\nanonymous_role = "engineer"\n',
    ],
)
def test_with_an_engineer_there_is_no_warning(tmp_path: Path, more: str) -> None:
    role = Role.ENGINEER if more == TOKENS else Role.VIEWER
    TokenFile(tmp_path / "tokens.json").add("kim", role, "tests")
    assert not warned(checked(tmp_path, more))


@pytest.mark.parametrize("folder", ["/proc/audit", "recipe.toml", "recipe.toml/audit"])
def test_an_audit_folder_that_cannot_be_written_is_a_problem(tmp_path: Path, folder: str) -> None:
    (problem,) = checked(tmp_path, f'[access.audit]\nfolder = "{folder}"\n').problems
    assert problem.key == "access.audit.folder"
    assert "an act that cannot be recorded does not happen" in problem.expectation


def test_looking_at_the_audit_folder_leaves_nothing_there(tmp_path: Path) -> None:
    assert checked(tmp_path, '[access.audit]\nfolder = "new/audit"\n').problems == ()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ('[recordings]\nstore = "s3://bucket/kept"\n', "recordings.store"),
        ('[access.audit]\nheads_to = "s3://bucket/heads"\n', "access.audit.heads_to"),
    ],
)
def test_an_object_store_without_its_package_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str, key: str
) -> None:
    assert checked(tmp_path, more).problems == ()
    monkeypatch.setattr(addresses, "find_spec", lambda name: None)
    (problem,) = checked(tmp_path, more).problems
    assert (problem.key, problem.value) == (key, more.split('"')[1])
    assert "needs the package s3fs, which is not installed" in problem.expectation
    assert "pip install '.[s3]'" in problem.remedy


def test_a_store_that_is_not_used_needs_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "find_spec", lambda name: None)
    assert checked(tmp_path, '[recordings]\nenabled = false\nstore = "s3://bucket/kept"\n').problems == ()
