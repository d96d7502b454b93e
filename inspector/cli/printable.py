"""Makes text of others printable: what came from a log or over the wire neither moves the cursor nor begins a line."""

import json

import click

MAX_CELL = 200


def printable(text: str) -> str:
    """With escapes such as `\\x1b` and `\\n` in place of what is no printable character."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def printable_lines(text: str) -> str:
    """The same for text of several lines, whose lines stay."""
    return "\n".join(map(printable, text.split("\n")))


def printable_json(text: str) -> str:
    """The same for serialised JSON, in the escapes of JSON."""
    return text if text.isprintable() else "".join(map(_json_escaped, text))


def cell(text: str) -> str:
    """Printable, and cut to what a table has room for."""
    return printable(text if len(text) <= MAX_CELL else text[:MAX_CELL] + "…")


def say(text: str, *, err: bool = False) -> None:
    """Prints one line, whatever stands in the text."""
    click.echo(printable(text), err=err)


def say_lines(text: str) -> None:
    """Prints text whose lines are ours."""
    click.echo(printable_lines(text))


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _json_escaped(character: str) -> str:
    """DEL is the one character that is not printable and that JSON lets stand."""
    return character if character.isprintable() else json.dumps(character)[1:-1].replace("\x7f", "\\u007f")
