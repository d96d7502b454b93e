"""`inspector review`: known pieces, agreement of reviewers, second opinions."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from inspector.access.audit.log import AuditLog
from inspector.access.audit.protocol import AuditError
from inspector.access.principal import Principal
from inspector.archive.database import Database, DatabaseError
from inspector.archive.find import Archive
from inspector.archive.rows import PieceFilter, PieceRow
from inspector.cli.agreement_words import print_pair, print_reviewer
from inspector.cli.archive_place import open_archive
from inspector.cli.config_option import config_option
from inspector.cli.credentials import audited, principal_for, token_file_option
from inspector.cli.errors import report_user_errors
from inspector.cli.moments import MOMENT
from inspector.cli.printable import print_line
from inspector.config.service import Service, load_service
from inspector.dataset.manifest import read_manifest
from inspector.review.agreement import AgreementError
from inspector.review.answered import pairs_of_reviewers, reviewers_against_truth
from inspector.review.choice import decisions_shown
from inspector.review.desk import Desk
from inspector.review.export.consensus import Consensus, consensus
from inspector.review.export.reviewed import spoken_about
from inspector.review.findings import Finding, parse_finding
from inspector.review.known import KnownPieceError, KnownPieces
from inspector.review.people import person_word
from inspector.verdicts.follow import StoreError
from inspector.verdicts.words import enum_word
from protos.inspection.v1.records_pb2 import Label
from streams.observation import InspectionId

ERRORS = (AgreementError, AuditError, DatabaseError, KnownPieceError, StoreError)
KNOWN = "review.known_pieces"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a command works, and for whom."""

    service: Service
    database: Database
    principal: Principal
    archive: Archive


@contextmanager
def _place(config: Path, action: str, token_file: Path | None, target: str = "") -> Iterator[_Place]:
    """With a `target` the act is recorded. Raises ClickException."""
    service = load_service(config)
    principal = principal_for(service, action, token_file)
    with open_archive(service) as database:
        place = _Place(service, database, principal, Archive(database))
        if not target:
            yield place
            return
        with audited(service) as audit, audit.act(principal, action, target):
            yield place


@click.group()
def review() -> None:
    """The review desk: known pieces that score the reviewers, and how far reviewers agree.

    \b
    inspector review known add --config service.toml --said-by quinn
    inspector review agreement --config service.toml --since 30d
    """


@review.group()
def known() -> None:
    """Pieces whose truth is known. They are slipped in among the others, look like them, and score the reviewers."""


@known.command()
@click.argument("piece", required=False, nargs=3, metavar="[LINE STATION PIECE]")
@config_option
@click.option("--label", type=click.Choice(("ok", "nok")), help="The truth about PIECE.")
@click.option("--defect", "defects", multiple=True, help="A defect of PIECE; repeatable.")
@click.option("--pass", "pass_number", default=0, type=click.IntRange(0), help="Pass of PIECE.")
@click.option("--manifest", type=click.Path(path_type=Path), help="Take the labels of this data set, by piece id.")
@click.option("--said-by", help="Take what this person said about pieces; choose somebody who answers for quality.")
@token_file_option
@report_user_errors(*ERRORS)
def add(
    piece: tuple[str, str, str] | None,
    config: Path,
    label: str | None,
    defects: tuple[str, ...],
    pass_number: int,
    manifest: Path | None,
    said_by: str | None,
    token_file: Path | None,
) -> None:
    """Enters known pieces. They must be in the archive with recordings; they leave the queue and stay in the archive.

    \b
    inspector review known add line-1 station-2 p-17 --label nok --defect crack --config service.toml
    inspector review known add --manifest labelled/manifest.jsonl --config service.toml
    inspector review known add --said-by quinn --config service.toml
    """
    if sum(each is not None for each in (piece or None, manifest, said_by)) != 1 or (piece and label is None):
        raise click.UsageError("name one of LINE STATION PIECE with --label, --manifest, or --said-by")
    origin = f"said by {said_by}" if said_by else str(manifest or "command")
    with _place(config, KNOWN, token_file) as place, audited(place.service) as audit:
        if piece:
            inspection = InspectionId(*piece, pass_number)
            row = place.archive.by_inspection(inspection)
            if row is None:
                raise KnownPieceError(f"{inspection} is not in the archive: look for it on the Pieces page")
            truths = [(row, parse_finding(label or "", defects))]
        else:
            truths = _of_manifest(place, manifest) if manifest else _said_by(place, said_by or "")
        _enter(place, truths, audit, origin)


def _enter(place: _Place, truths: list[tuple[PieceRow, Finding]], audit: AuditLog, origin: str) -> None:
    """Each piece is an act of its own in the audit log, with its truth and where that is from."""
    pieces, num_entered, problems = KnownPieces(place.database), 0, list[str]()
    for row, truth in truths:
        try:
            target = "/".join((row.line, row.station, row.piece_id, str(row.pass_number)))
            detail = {"label": enum_word(Label, truth.label), "defects": ", ".join(truth.defects), "from": origin}
            with audit.act(place.principal, KNOWN, target, detail):
                pieces.add(row, truth, place.principal.name, time.time_ns())
            num_entered += 1
        except KnownPieceError as error:
            problems.append(str(error))
    for problem in problems[:5]:
        print_line(problem, err=True)
    print_line(f"{num_entered} known pieces are entered; {len(problems)} could not be")
    shown = decisions_shown(place.service.config.review.settings)
    if hidden := sum(row.decision not in shown for row, _ in truths):
        print_line(
            f"{hidden} of them will not be given to anybody, for the queue holds no piece of their decision: "
            "set fails or pass_share under [review]"
        )
    if truths and not num_entered:
        raise KnownPieceError("no known piece was entered")


def _of_manifest(place: _Place, manifest: Path) -> list[tuple[PieceRow, Finding]]:
    truths = []
    for row in read_manifest(manifest):
        pieces = place.archive.find(PieceFilter(piece_id=row.piece_id), limit=1) if row.label != "unknown" else []
        truths += [(piece, parse_finding(row.label, row.defects)) for piece in pieces]
    return truths


def _said_by(place: _Place, author: str) -> list[tuple[PieceRow, Finding]]:
    """`author` is a name, or `token:name` and the like; it must mean one person. Where people prove their names, only
    findings under a proven name count. Raises KnownPieceError."""
    truths = []
    all_spoken = spoken_about(place.database, PieceFilter(), proven_only=place.service.access.has_roles)
    person = _person(author, {finding.person for spoken in all_spoken for finding in spoken.findings})
    for spoken in all_spoken:
        agreed = consensus([finding for finding in spoken.findings if finding.person == person])
        if isinstance(agreed, Consensus) and not spoken.was_read_twice:
            truths.append((place.archive.row(spoken.key), parse_finding(agreed.label, agreed.defects)))
    return truths


def _person(author: str, people: set[tuple[str, str]]) -> tuple[str, str]:
    """Proof and name. Raises KnownPieceError."""
    matches = sorted(each for each in people if author in (each[1], person_word(each[1], each[0])))
    if len(matches) > 1:
        words = " or ".join(person_word(name, proof) if proof else f"{name} (not proven)" for proof, name in matches)
        raise KnownPieceError(f"{author} is the name of several people: say {words}")
    return matches[0] if matches else ("", author)


@known.command("list")
@config_option
@token_file_option
@report_user_errors(*ERRORS)
def list_known(config: Path, token_file: Path | None) -> None:
    """Shows the known pieces in use. Who works at the review desk should not read this.

    Example: inspector review known list --config service.toml
    """
    with _place(config, KNOWN, token_file) as place:
        for piece in KnownPieces(place.database).all():
            truth = "ok" if piece.label == 1 else "nok"
            identity = f"{piece.line}/{piece.station}/{piece.piece_id}#{piece.pass_number}"
            print_line(f"{piece.key}  {identity}  {truth} {' '.join(piece.defects)}  by {piece.added_by}")


@known.command()
@click.argument("keys", nargs=-1, required=True, type=int)
@config_option
@token_file_option
@report_user_errors(*ERRORS)
def retire(keys: tuple[int, ...], config: Path, token_file: Path | None) -> None:
    """Gives the known pieces KEYS to nobody any more; answers to them still count.

    Example: inspector review known retire 3 4 --config service.toml
    """
    with _place(config, KNOWN, token_file, target=" ".join(map(str, keys))) as place:
        for key in keys:
            is_retired = KnownPieces(place.database).retire(key, time.time_ns())
            print_line(f"{key} is retired" if is_retired else f"{key} is no known piece in use")


@review.command("second-opinion")
@click.argument("piece", nargs=3, metavar="LINE STATION PIECE")
@config_option
@click.option("--pass", "pass_number", default=0, type=click.IntRange(0), help="Pass of the piece.")
@token_file_option
@report_user_errors(*ERRORS)
def second_opinion(piece: tuple[str, str, str], config: Path, pass_number: int, token_file: Path | None) -> None:
    """Has one more person look at a piece of the review queue.

    Example: inspector review second-opinion line-1 station-2 p-17 --config service.toml
    """
    with _place(config, "review.ask_second_opinion", token_file, target="/".join(piece)) as place:
        desk = Desk(place.database, place.service.config.review.settings)
        if not desk.ask_second_opinion(InspectionId(*piece, pass_number)):
            raise click.ClickException("the piece is not in the review queue, or two people look at it already")
        print_line("the next person at the desk gets it")


@review.command()
@config_option
@click.option("--since", type=MOMENT, default="90d", show_default=True, help="Answers from then on: 30d, or a time.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@token_file_option
@report_user_errors(*ERRORS)
def agreement(config: Path, since: int, as_json: bool, token_file: Path | None) -> None:
    """Shows how reviewers did on known pieces, and how far two people agree on the same pieces.

    Misses and false alarms stand apart, each with its exact 95 % interval; kappa mixes both. Needs the extra
    `agreement`.

    Example: inspector review agreement --config service.toml --since 30d
    """
    with _place(config, KNOWN, token_file) as place:
        reviewers, pairs = reviewers_against_truth(place.database, since), pairs_of_reviewers(place.database, since)
    if as_json:
        click.echo(json.dumps({"reviewers": [*map(asdict, reviewers)], "pairs": [*map(asdict, pairs)]}))
        return
    for reviewer in reviewers:
        print_reviewer(reviewer)
    for pair in pairs:
        print_pair(pair)
    if not reviewers and not pairs:
        print_line("nothing to compare yet: enter known pieces, or set second_share under [review]")
