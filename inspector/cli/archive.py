"""`inspector archive`: the commands on the archive of verdicts."""

import importlib
from collections.abc import Mapping

import click

COMMANDS: Mapping[str, tuple[str, str]] = {
    "export": ("inspector.cli.archive_export", "Writes verdicts as Parquet files, for DuckDB and pandas."),
    "figures": ("inspector.cli.archive_figures", "Shows yield, defect classes, false rejects and latency."),
    "find": ("inspector.cli.archive_find", "Finds pieces by id, lot, station, class, score, time and more."),
    "judge-again": ("inspector.cli.archive_judge_again", "Judges kept pieces again and compares the verdicts."),
    "rebuild": ("inspector.cli.archive_verify", "Makes the archive's verdicts again from the log."),
    "verify": ("inspector.cli.archive_verify", "Compares the archive with the log, row by row."),
}


class _Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name.replace("-", "_"))
        if not isinstance(command, click.Command):
            raise TypeError(f"{cmd_name} is {command!r}, expected a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=_Group)
def archive() -> None:
    """Looks up, exports and checks the verdicts that the service has kept.

    \b
    inspector archive find --config service.toml --lot L-1042 --decision fail
    inspector archive figures --config service.toml --since 2026-11-30T06:00 --by station
    inspector archive verify --config service.toml
    """
