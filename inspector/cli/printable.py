"""Escapes text from a log or the network, so that it cannot move the cursor or begin a line."""

import json

import click

MAX_CELL = 200


def printable(text: str) -> str:
    """Replaces characters that are not printable by escapes such as `\\x1b` and `\\n`."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def printable_lines(text: str) -> str:
    """The same for text of several lines; keeps the lines."""
    return "\n".join(map(printable, text.split("\n")))


def printable_json(text: str) -> str:
    """The same for serialised JSON, in the escapes of JSON."""
    return text if text.isprintable() else "".join(map(_json_escaped, text))


def cell(text: str) -> str:
    """Printable, and cut to the width of a table's cell."""
    return printable(text if len(text) <= MAX_CELL else text[:MAX_CELL] + "…")


def print_line(text: str, *, err: bool = False) -> None:
    """Prints one line, whatever the text holds."""
    click.echo(printable(text), err=err)


def print_lines(text: str) -> None:
    """Prints text of several lines."""
    click.echo(printable_lines(text))


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _json_escaped(character: str) -> str:
    """DEL is the only unprintable character that JSON does not escape."""
    return character if character.isprintable() else json.dumps(character)[1:-1].replace("\x7f", "\\u007f")
