"""Sizes of pictures on the command line."""

import click


def size_px(text: str) -> tuple[int, int]:
    """Width and height in pixels, from `1920x1080`. Raises click.BadParameter."""
    width, separator, height = text.partition("x")
    if not separator or not width.isdecimal() or not height.isdecimal():
        raise click.BadParameter(f"{text!r} is no size; write WIDTHxHEIGHT, such as 1920x1080")
    return int(width), int(height)
