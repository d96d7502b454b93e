"""`inspector source`: real devices and watched folders, published to a line."""

import importlib

import click

_COMMANDS = {
    "camera": ("inspector.cli.source_video", "Pictures of cameras at this machine."),
    "folder": ("inspector.cli.source_folder", "Files that appear in a folder."),
    "genicam": ("inspector.cli.source_genicam", "Pictures of industrial cameras (GigE Vision, USB3 Vision)."),
    "microphone": ("inspector.cli.source_microphone", "Sound or vibration of a sound card."),
    "replay": ("inspector.cli.replay", "A data set, as `inspector replay` publishes it."),
    "rtsp": ("inspector.cli.source_video", "Pictures of network cameras, and of video files."),
}
"""Name: the module that defines it, and a line for the help."""


class SourceGroup(click.Group):
    """Imports the module of a source only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(_COMMANDS[cmd_name][0]), cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{cmd_name} is {command!r}, expected a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Sources"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(_COMMANDS.items())])


@click.group(cls=SourceGroup)
def source() -> None:
    """Publishes a real device or a watched folder to a line, so that a running service judges it.

    Start the service first (`inspector serve --config service.toml`), then one command for each station. Every source
    runs until Ctrl+C, waits for a device or a log that is away, says so, and continues.

    \b
    inspector source folder incoming --config service.toml
    inspector source camera 0 --every 2 --config service.toml
    inspector source rtsp rtsp://192.168.0.10/stream1 --user viewer --password-env CAM --stdin --config service.toml
    inspector source microphone --config service.toml
    inspector source replay line/manifest.jsonl --config service.toml

    A microphone is a stream without pieces: start it beside the camera or the folder of the same station, and the
    service cuts the sound of each piece out of it.

    Your own source: deploy/examples has one each in Python, C++ and Java; docs/how-to/sources.md explains them.
    """
