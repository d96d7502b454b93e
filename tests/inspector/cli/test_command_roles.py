"""Command by role: every cell, and nobody."""

import getpass
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from inspector.access.roles import ACTIONS, Role
from inspector.access.tokens import TokenFile
from inspector.cli import main
from inspector.cli.actions import COMMAND_ACTIONS, UNCHECKED
from tests.bundles import Toy, write_toy_bundle
from tests.inspector.rollout.toys import CONFIG, RECIPE

PIECE = ("l1", "s", "p-1")
MORE = {
    "access token add": ("somebody", "viewer"),
    "access token revoke": ("00000000",),
    "alerts acknowledge": ("7f3a",),
    "alerts silence": ("7f3a", "--end"),
    "archive export": ("--out", "exported"),
    "audit send-head": ("--to", "heads"),
    "dataset export": ("--out", "exported"),
    "dataset release": ("reviewed",),
    "deploy": ("made", "--no-wait"),
    "replay": ("manifest.jsonl",),
    "review known add": (*PIECE, "--label", "ok"),
    "review known retire": ("1",),
    "review second-opinion": PIECE,
    "rollback": ("--no-wait",),
    "score": ("truth.jsonl",),
    "source camera": ("0", "--stdin", "--wait", "0.01"),
    "source folder": (".", "--once"),
    "source genicam": ("0", "--producer", "service.toml", "--stdin", "--wait", "0.01"),
    "source microphone": ("--sensor", "unknown"),
    "source replay": ("manifest.jsonl",),
    "source rtsp": ("rtsp://127.0.0.1:9/x", "--stdin", "--wait", "0.01"),
    "simulate --config": ("--pieces", "1"),
}
"""Arguments that a command needs."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands")
    (folder / "service.toml").write_text(CONFIG + '[access]\ntoken_file = "tokens.json"\n')
    (folder / "cup.toml").write_text(RECIPE)
    (folder / "manifest.jsonl").write_text('{"piece_id": "a", "split": "test", "images": []}\n')
    (folder / "truth.jsonl").write_text("")
    write_toy_bundle(folder / "own", Toy(name="own"))
    return folder


@pytest.fixture(scope="module")
def tokens(folder: Path) -> dict[Role, str]:
    file = TokenFile(folder / "tokens.json")
    return {role: file.add(f"{role.word}-1", role, "tests")[1] for role in Role}


def called(folder: Path, command: str, token: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.chdir(folder)
    words = [word for word in command.split() if word != "--config"]
    arguments = [*words, *MORE.get(command, ()), "--config", "service.toml"]
    return CliRunner().invoke(main, arguments, env={"INSPECTOR_TOKEN": token})


def leaves(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from leaves(command, (*words, name))
        elif command is not None:
            yield " ".join((*words, name)), command


def test_every_command_with_a_configuration_says_its_action_or_why_it_has_none() -> None:
    taking = {name for name, command in leaves(main) if any("--config" in param.opts for param in command.params)}
    listed = {name.partition(" --")[0] for name in COMMAND_ACTIONS}
    assert listed.isdisjoint(UNCHECKED)
    assert taking == listed | UNCHECKED.keys()
    assert set(COMMAND_ACTIONS.values()) <= ACTIONS.keys()


@pytest.mark.parametrize("command", COMMAND_ACTIONS)
def test_the_table_of_commands_and_roles(
    folder: Path, tokens: dict[Role, str], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every cell of the command's row; what is allowed may still be wrong, or find nothing."""
    action = COMMAND_ACTIONS[command]
    for role in Role:
        done = called(folder, command, tokens[role], monkeypatch)
        refusal = f"{role.word}-1 is {role.word}, and {action} needs {ACTIONS[action].word}"
        if role >= ACTIONS[action]:
            assert " needs " not in done.output, done.output
            assert done.exit_code != 2, done.output
        else:
            assert (done.exit_code, refusal in done.output) == (1, True), done.output


@pytest.mark.parametrize("command", [name for name in COMMAND_ACTIONS if not name.startswith("access")])
@pytest.mark.parametrize("token", ["", "inspector_00000000_guessed"])
def test_without_a_right_token_no_command_does_anything(
    folder: Path, tokens: dict[Role, str], command: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = called(folder, command, token, monkeypatch)
    assert done.exit_code == 1
    assert ("has no role" if not token else "the token is not known here") in done.output


def test_without_configuration_everybody_on_this_machine_may_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "service.toml").write_text(CONFIG)
    (tmp_path / "cup.toml").write_text(RECIPE)
    write_toy_bundle(tmp_path / "own", Toy(name="own"))
    for command in ("archive figures", "alerts list", "alerts speed", "deployments"):
        assert called(tmp_path, command, "", monkeypatch).exit_code == 0


def test_where_anybody_may_look_a_user_of_this_machine_may_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "service.toml").write_text(CONFIG + "[access]\nallow_anonymous = true\n")
    (tmp_path / "cup.toml").write_text(RECIPE)
    write_toy_bundle(tmp_path / "own", Toy(name="own"))
    assert called(tmp_path, "archive figures", "", monkeypatch).exit_code == 0
    refused = called(tmp_path, "archive verify", "", monkeypatch)
    assert "is viewer, and archive.verify needs quality" in refused.output


def test_a_user_of_the_operating_system_reads_with_a_role(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (folder / "service.toml").read_text()
    (folder / "service.toml").write_text(f'{text}[access.os_users]\n{getpass.getuser()} = "viewer"\n')
    assert called(folder, "archive figures", "", monkeypatch).exit_code == 0
    refused = called(folder, "archive verify", "", monkeypatch)
    assert "archive.verify needs quality" in refused.output
    (folder / "service.toml").write_text(text)
