"""`inspector audit`: shows and verifies the record of every act that changed something."""

from datetime import UTC, datetime
from pathlib import Path

import click

from inspector.access.audit.heads import HeadsError, heads_at, newest_head, send_head
from inspector.access.audit.key import PUBLIC_FILE, AuditKeyError, PublicKey
from inspector.access.audit.record import Record, RecordError, parsed
from inspector.access.audit.segments import last_lines
from inspector.access.audit.verify import verify
from inspector.cli.config_option import config_option
from inspector.cli.credentials import principal_for, token_file_option
from inspector.cli.errors import report_user_errors
from inspector.cli.printable import print_line
from inspector.config.service import load_service


class AuditFailedError(Exception):
    """The audit log is not as it was written."""


@click.group()
def audit() -> None:
    """The record of every act that changed something: who, when, what. Each record is bound to the one before it and
    signed, so that a record that was edited, removed, swapped or cut off is found."""


@audit.command("verify")
@config_option
@click.option("--heads", "place", help="Folder or address of heads kept elsewhere. Default: [access.audit] heads_to.")
@click.option(
    "--public-key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A copy of the audit folder's public.pem that was kept elsewhere. Default: the folder's own.",
)
@token_file_option
@report_user_errors(AuditFailedError, AuditKeyError, HeadsError)
def verify_log(config: Path, place: str | None, public_key: Path | None, token_file: Path | None) -> None:
    """Finds records that were edited, removed, swapped or cut off; exit code 1 if there are any.

    Somebody who can write in the audit folder can write a whole new log there. Heads that lie elsewhere find that, and
    so does a public key kept elsewhere. Where old log files were moved away, says from which record on the chain is
    known; to verify those, too, copy all files into one folder.

    Example: inspector audit verify --config service.toml
    """
    service = load_service(config)
    principal_for(service, "audit.read", token_file)
    settings = service.access.audit
    key = PublicKey.from_file(public_key or settings.folder / PUBLIC_FILE)
    outside = place or settings.heads_to
    heads = heads_at(outside) if outside else None
    result = verify(settings.folder, key, heads, settings.heads_every_s if settings.heads_to else None)
    for problem in result.problems:
        print_line(problem)
    if result.problems:
        raise AuditFailedError(
            f"{len(result.problems)} problem(s): the log in {settings.folder} is not as it was written"
        )
    kept = f"{result.num_outside} of them from {outside}"
    alone = "none of them kept elsewhere, so a log that was cut together with its heads would not be found"
    print_line(f"{result.num_records} records and {result.num_heads} heads agree, {kept if outside else alone}")
    if result.first > 1:
        how = "removed by the log's limits, as it records," if result.is_removed_by_limits else "moved away,"
        print_line(
            f"the chain is known here from record {result.first} on: {result.first - 1} older records were {how} "
            f"and the signed head of record {result.covered_by} covers them, too"
        )


@audit.command()
@config_option
@click.option(
    "--last", "count", default=50, show_default=True, type=click.IntRange(1, 100_000), help="So many records."
)
@click.option("--json", "as_json", is_flag=True, help="Print the lines as they stand in the log.")
@token_file_option
@report_user_errors()
def show(config: Path, count: int, as_json: bool, token_file: Path | None) -> None:
    """Shows the last records, oldest first. Does not verify them.

    Example: inspector audit show --last 20 --config service.toml
    """
    service = load_service(config)
    principal_for(service, "audit.read", token_file)
    for line in last_lines(service.access.audit.folder, count):
        print_line(line.decode("ascii", "replace").rstrip() if as_json else _shown(line))


@audit.command("send-head")
@config_option
@click.option("--to", "place", required=True, help="Folder or address, such as s3://bucket/audit.")
@token_file_option
@report_user_errors(HeadsError, RecordError)
def send(config: Path, place: str, token_file: Path | None) -> None:
    """Copies the newest signed head elsewhere, once. A running service does this by itself with `[access.audit]
    heads_to`.

    Example: inspector audit send-head --to /mnt/quality/heads --config service.toml
    """
    service = load_service(config)
    principal_for(service, "audit.read", token_file)
    head = newest_head(service.access.audit.folder)
    was_new = send_head(head, place)
    print_line(f"the head of record {head.number} {'was written to' if was_new else 'was already in'} {place}")


def _shown(line: bytes) -> str:
    try:
        record, _ = parsed(line)
    except RecordError as exc:
        return f"(a line that {exc}: run `inspector audit verify`)"
    return _words(record)


def _words(record: Record) -> str:
    when = datetime.fromtimestamp(record.at_ns / 1e9, UTC).isoformat(sep=" ", timespec="seconds")
    detail = ", ".join(f"{key}: {value}" for key, value in record.detail.items())
    who = f"{record.name} ({record.role}, by {record.origin})"
    return f"{record.number} {when} {who} {record.action} {record.target}" + (f" - {detail}" if detail else "")
