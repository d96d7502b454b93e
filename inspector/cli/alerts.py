"""`inspector alerts`: open and resolved alerts; acknowledge, silence, and how soon changes are found."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from inspector.access.audit.protocol import AuditError
from inspector.alerts.alert import Alert, AlertError
from inspector.alerts.desk import AlertDesk
from inspector.alerts.message import as_json
from inspector.alerts.rows import PastEvent
from inspector.alerts.speed import speeds_of
from inspector.archive.database import DatabaseError
from inspector.archive.migrate import upgrade
from inspector.archive.opening import open_database
from inspector.cli.config_option import config_option
from inspector.cli.credentials import audited, principal_for, token_file_option
from inspector.cli.duration import seconds_of
from inspector.cli.errors import report_user_errors
from inspector.cli.printable import print_line, printable_json
from inspector.config.service import Service, load_service
from inspector.verdicts.follow import StoreError

ERRORS = (AlertError, AuditError, DatabaseError, StoreError)
_KEY = click.argument("key")
_NOTE = click.option("--note", default="", help="Why; everybody sees it.")
_JSON = click.option("--json", "as_lines", is_flag=True, help="One JSON object per line.")


@click.group()
def alerts() -> None:
    """What is wrong at the line: conditions over several verdicts, from recipes and from the service.

    \b
    inspector alerts list --config service.toml
    inspector alerts acknowledge 7f3a --note "changing the tool" --config service.toml
    inspector alerts silence 7f3a --for 8h --note "known, part is ordered" --config service.toml
    """


@alerts.command("list")
@config_option
@_JSON
@token_file_option
@report_user_errors(*ERRORS)
def list_open(config: Path, as_lines: bool, token_file: Path | None) -> None:
    """Shows the alerts that are open, newest first, and what could not be delivered yet.

    Example: inspector alerts list --config service.toml
    """
    with _desk(config, "alerts.see", token_file) as (_, desk):
        overview = desk.overview()
        for alert in overview.alerts:
            _print(alert, as_lines)
        if not overview.alerts and not as_lines:
            print_line("no alert is open")
        for target, count in sorted(overview.undelivered.items()):
            print_line(f"{count} events wait for delivery to {target}", err=True)


@alerts.command()
@click.argument("key", required=False)
@config_option
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 200), help="Most alerts shown.")
@_JSON
@token_file_option
@report_user_errors(*ERRORS)
def history(key: str | None, config: Path, limit: int, as_lines: bool, token_file: Path | None) -> None:
    """Shows the alerts that were resolved, newest first; with KEY, everything that happened to one alert.

    \b
    inspector alerts history --config service.toml
    inspector alerts history 7f3a --config service.toml      the first digits of the key are enough
    """
    with _desk(config, "alerts.see", token_file) as (_, desk):
        if key is None:
            for alert in desk.resolved(limit):
                _print(alert, as_lines)
            return
        shown = desk.alert(desk.full_key(key))
        _print(shown, as_lines)
        for past in desk.history(shown.key):
            _print_event(past, as_lines)


@alerts.command()
@_KEY
@_NOTE
@config_option
@token_file_option
@report_user_errors(*ERRORS)
def acknowledge(key: str, note: str, config: Path, token_file: Path | None) -> None:
    """Says that you take care of the alert KEY. The first digits of the key are enough.

    Example: inspector alerts acknowledge 7f3a --note "changing the tool" --config service.toml
    """
    action = "alerts.acknowledge"
    with _desk(config, action, token_file) as (service, desk):
        full, principal = desk.full_key(key), principal_for(service, action, token_file)
        with audited(service) as audit, audit.act(principal, action, full, {"note": note}):
            _print(desk.acknowledge(full, principal.name, note), as_lines=False)


@alerts.command()
@_KEY
@click.option("--for", "duration", help="Such as 90m, 8h or 2d, at most 31d.")
@click.option("--end", is_flag=True, help="End the silence now.")
@_NOTE
@config_option
@token_file_option
@report_user_errors(*ERRORS)
def silence(key: str, duration: str | None, end: bool, note: str, config: Path, token_file: Path | None) -> None:
    """Sends out nothing about the condition of alert KEY at its place for a time, but the end of the alert. Later
    alerts of the same place are kept in, too; those still open are sent out when the time is over.

    \b
    inspector alerts silence 7f3a --for 8h --note "known, part is ordered" --config service.toml
    inspector alerts silence 7f3a --end --config service.toml
    """
    if end == (duration is not None):
        raise click.UsageError("give either --for or --end")
    try:
        seconds = 0.0 if duration is None else seconds_of(duration)
    except ValueError as exc:
        raise click.BadParameter(str(exc), param_hint="--for") from exc
    action = "alerts.silence"
    with _desk(config, action, token_file) as (service, desk):
        full, principal = desk.full_key(key), principal_for(service, action, token_file)
        detail = {"note": note, "minutes": f"{seconds / 60:g}"}
        with audited(service) as audit, audit.act(principal, action, full, detail):
            by = principal.name
            changed = desk.end_silence(full, by) if end else desk.silence(full, seconds, by, note)
        _print(changed, as_lines=False)


@alerts.command()
@config_option
@token_file_option
@report_user_errors()
def speed(config: Path, token_file: Path | None) -> None:
    """Says how soon each chart of the recipes finds its change, and how often it is wrong. Computed, not measured.

    Example: inspector alerts speed --config service.toml
    """
    service = load_service(config)
    principal_for(service, "alerts.see", token_file)
    lines = [line for recipe in service.recipes for line in speeds_of(recipe)]
    for line in lines or ["the recipes name no alert with a chart: see [[alerts]] in docs/how-to/alerts.md"]:
        print_line(line)


@contextmanager
def _desk(config: Path, action: str, token_file: Path | None) -> Iterator[tuple[Service, AlertDesk]]:
    """Raises ClickException where the user may not do this."""
    service = load_service(config)
    principal_for(service, action, token_file)
    with closing(open_database(service.path, service.config.archive.settings)) as database:
        upgrade(database)
        yield service, AlertDesk(database, service.config.alert_settings)


def _print(alert: Alert, as_lines: bool) -> None:
    if as_lines:
        click.echo(printable_json(json.dumps(as_json(alert), ensure_ascii=False)))
        return
    level = alert.level.replace("_", " ")
    text = f"{alert.key[:12]} {_time(alert.raised_ns)} {level}: {alert.title} at {alert.place.words or 'the service'}"
    print_line(f"{text}: {alert.detail} [{_state(alert)}]")


def _state(alert: Alert) -> str:
    words = [alert.state.value]
    if alert.acknowledged_by:
        words.append(f"acknowledged by {alert.acknowledged_by}" + (f": {alert.note}" if alert.note else ""))
    if alert.silence is not None:
        words.append(f"silenced until {_time(alert.silence.until_ns)} by {alert.silence.by}")
    if alert.resolved_ns is not None:
        words.append(f"{_time(alert.resolved_ns)}: {alert.resolution}")
    return ", ".join(words)


def _print_event(past: PastEvent, as_lines: bool) -> None:
    event = past.event
    if as_lines:
        row = {"key": past.alert_key, "event": event.what.value, "at": _time(event.at_ns), "by": event.who}
        click.echo(printable_json(json.dumps(row | {"note": event.note}, ensure_ascii=False)))
        return
    who, note = f" by {event.who}" if event.who else "", f": {event.note}" if event.note else ""
    print_line(f"  {_time(event.at_ns)} {event.what.value.replace('_', ' ')}{who}{note}")


def _time(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")
