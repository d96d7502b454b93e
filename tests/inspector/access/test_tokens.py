"""The file of tokens: what it holds, whom it lets in, and who may read it."""

import hmac
import stat
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from inspector.access.roles import Role
from inspector.access.sign_in import SignInError, SignInUnavailableError
from inspector.access.tokens import MAX_FILE_BYTES, TokenFile, TokenFileError
from tests.threads import run_together


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


def test_a_token_signs_its_name_in_with_its_role(file: Path) -> None:
    _, shown = TokenFile(file).add("lee", Role.QUALITY, "chris")
    principal = TokenFile(file).principal(shown)
    assert (principal.name, principal.role, principal.origin) == ("lee", Role.QUALITY, "token")


def test_the_file_holds_no_token(file: Path) -> None:
    _, shown = TokenFile(file).add("lee", Role.VIEWER, "chris")
    secret = shown.split("_", 2)[2]
    assert len(secret) >= 32
    assert secret not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("change", ["another secret", "no secret", "unknown id", "empty", "long", "other text"])
def test_what_is_no_token_of_the_file_is_refused(file: Path, change: str) -> None:
    token, shown = TokenFile(file).add("lee", Role.VIEWER, "chris")
    wrong = {
        "another secret": shown[:-1] + ("A" if shown[-1] != "A" else "B"),
        "no secret": f"inspector_{token.id}_",
        "unknown id": shown.replace(token.id, "00000000"),
        "empty": "",
        "long": shown * 1000,
        "other text": "\udcff\x00",
    }[change]
    with pytest.raises(SignInError, match="not known") as refused:
        TokenFile(file).principal(wrong)
    assert shown not in str(refused.value)


def test_a_revoked_token_is_refused_at_once_by_a_process_that_has_read_the_file_before(file: Path) -> None:
    token, shown = TokenFile(file).add("lee", Role.VIEWER, "chris")
    reader = TokenFile(file)
    reader.principal(shown)
    lee = reader.principal(shown)
    assert reader.holds(token.id, lee)
    assert not reader.holds(token.id, replace(lee, role=Role.ENGINEER))
    TokenFile(file).revoke(token.id)
    with pytest.raises(SignInError, match="is revoked"):
        reader.principal(shown)
    assert not reader.holds(token.id, lee)


def test_an_expired_token_is_refused(file: Path) -> None:
    now_ns = 1000
    tokens = TokenFile(file, lambda: now_ns)
    _, shown = tokens.add("lee", Role.VIEWER, "chris", expires_ns=2000)
    tokens.principal(shown)
    now_ns = 2000
    with pytest.raises(SignInError, match="is expired"):
        tokens.principal(shown)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o610])
def test_a_file_that_others_may_touch_lets_nobody_in(file: Path, mode: int, caplog: pytest.LogCaptureFixture) -> None:
    _, shown = TokenFile(file).add("lee", Role.VIEWER, "chris")
    file.chmod(mode)
    with pytest.raises(SignInUnavailableError):
        TokenFile(file).principal(shown)
    assert "chmod 600" in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"tokens": [{}]}',
        '{"tokens": [{"id": "a", "role": "king"}]}',
        '{"tokens": [{"id": "a", "name": "x", "role": "viewer", "sha256": "00", "created_ns": 0, "by": "y"}]}',
        '{"tokens": 5}',
        "[" * 2000,
        "x" * (MAX_FILE_BYTES + 1),
    ],
)
def test_a_damaged_file_lets_nobody_in(file: Path, text: str) -> None:
    _, shown = TokenFile(file).add("lee", Role.VIEWER, "chris")
    file.write_text(text)
    with pytest.raises(SignInUnavailableError):
        TokenFile(file).principal(shown)


def test_a_missing_file_lets_nobody_in_and_its_path_is_told_to_the_log_only(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SignInUnavailableError) as refused:
        TokenFile(file).principal("inspector_1_2")
    assert str(file) not in str(refused.value)
    assert str(file) in caplog.text


def test_the_secret_is_compared_in_constant_time_also_for_an_unknown_id(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, shown = TokenFile(file).add("lee", Role.VIEWER, "chris")
    compared: list[tuple[str, str]] = []

    def compare(one: str, other: str) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    tokens = TokenFile(file)
    tokens.principal(shown)
    with pytest.raises(SignInError):
        tokens.principal("inspector_00000000_x")
    assert [len(one) == len(other) == 64 for one, other in compared] == [True, True]


def test_tokens_added_at_the_same_time_are_all_kept(file: Path) -> None:
    run_together(partial(TokenFile(file).add, f"n{i}", Role.VIEWER, "t") for i in range(12))
    assert {token.name for token in TokenFile(file).tokens()} == {f"n{i}" for i in range(12)}


@pytest.mark.parametrize("name", ["", " lee", "a\nb", "x" * 200, "a\u202eb"])
def test_a_name_is_short_and_printable(file: Path, name: str) -> None:
    with pytest.raises(TokenFileError, match="is no name"):
        TokenFile(file).add(name, Role.VIEWER, "chris")


def test_an_unknown_id_cannot_be_revoked(file: Path) -> None:
    TokenFile(file).add("lee", Role.VIEWER, "chris")
    with pytest.raises(TokenFileError, match="has no token"):
        TokenFile(file).revoke("00000000")


def test_the_file_stays_within_its_size(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.access.tokens.MAX_FILE_BYTES", 2000)
    tokens = TokenFile(file)
    with pytest.raises(TokenFileError, match="more than 2000 bytes"):
        add_many(tokens, 20)
    assert 1 < len(tokens.tokens()) < 20


def add_many(tokens: TokenFile, count: int) -> None:
    for _ in range(count):
        tokens.add("one more", Role.VIEWER, "chris")
