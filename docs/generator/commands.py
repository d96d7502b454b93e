"""Turns the command line into a reference page: every command with its arguments and options."""

from collections.abc import Iterator

import click

from docs.generator.markdown import page, table
from inspector.cli import main

LEAD = (
    "`inspector COMMAND --help` prints the same. Options of `inspector` itself stand before the command. "
    "Exit codes: 0 when the command succeeded; 1 when a file, the log, the gateway or a check prevents it, "
    "with a message that says what to do; 2 when the command line is wrong. Any other error is a defect of inspector."
)


def pages() -> Iterator[tuple[str, str]]:
    yield "commands.md", page("Commands", LEAD, _lines())


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command by its full name, the program first."""
    yield from _below("inspector", main)


def _below(words: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            if (inner := command.get_command(context, name)) is not None:
                yield from _below(f"{words} {name}", inner)


def _lines() -> Iterator[str]:
    for words, command in commands():
        arguments = [item for item in command.params if isinstance(item, click.Argument)]
        usage = " ".join([words, *(_usage(argument) for argument in arguments)])
        yield from (f"## `{usage}`", "", *_paragraphs(command.help or ""))
        yield from table(("option", "default", "meaning"), _options(command))


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.replace("\b", "").split("\n\n"):
        yield from (" ".join(paragraph.split()), "")


def _usage(argument: click.Argument) -> str:
    name = argument.human_readable_name.upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _options(command: click.Command) -> Iterator[tuple[str, str, str]]:
    for option in command.params:
        if isinstance(option, click.Option):
            value = "" if option.is_flag else f" {option.make_metavar(click.Context(command))}"
            named = " / ".join([*option.opts, *option.secondary_opts])
            yield f"`{named}{value}`", _default(option), option.help or ""


def _default(option: click.Option) -> str:
    if option.required:
        return "**required**"
    is_shown = isinstance(option.default, str | int | float) and not option.is_flag
    return f"`{option.default}`" if is_shown else ""
