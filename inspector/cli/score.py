"""`inspector score`: the verdicts of a line against the truth that `replay --truth` wrote."""

from contextlib import closing
from pathlib import Path

import click

from inspector.cli.config_option import config_option
from inspector.cli.credentials import check_may, token_file_option
from inspector.cli.errors import report_user_errors
from inspector.cli.log_verdicts import stored_verdicts
from inspector.cli.printable import print_line
from inspector.config.opening import open_log_briefly
from inspector.config.service import load_service
from inspector.evaluation.line_score import LineScore, TruthError, read_truth
from protos.inspection.v1.verdict_pb2 import Decision
from streams.kafka.client_logs import quiet_client_logs

NAMED = 20
_COLUMNS = ("PASS", "FAIL", "REVIEW", "none")


@click.command()
@click.argument("truth", type=click.Path(path_type=Path))
@config_option
@token_file_option
@report_user_errors(TruthError)
def score(truth: Path, config: Path, token_file: Path | None) -> None:
    """Compares the verdicts that are still in the log with TRUTH, a file that `replay --truth` or `simulate --truth`
    wrote: decisions by label and class, escapes, false rejects, and pieces without a verdict (none).

    \b
    inspector replay line/manifest.jsonl --config service.toml --split test --truth truth.jsonl
    inspector score truth.jsonl --config service.toml
    """
    check_may(config, "verdicts.find", token_file)
    quiet_client_logs()
    service = load_service(config)
    line_score = LineScore(read_truth(truth))
    with closing(open_log_briefly(config, service.config)) as log:
        for verdicts in stored_verdicts("verdicts", log.tail):
            line_score.add(verdicts)
    _print(line_score)


def _print(line_score: LineScore) -> None:
    table = line_score.table
    width = max([5, *map(len, table)])
    print_line("".ljust(width) + "".join(column.rjust(8) for column in _COLUMNS))
    for row, counts in table.items():
        print_line(row.ljust(width) + "".join(str(counts[column]).rjust(8) for column in _COLUMNS))
    print_line(_listed("escapes (nok that passed)", list(line_score.pieces("nok", Decision.DECISION_PASS))))
    print_line(_listed("false rejects (ok that failed)", list(line_score.pieces("ok", Decision.DECISION_FAIL))))


def _listed(what: str, pieces: list[str]) -> str:
    more = f" and {len(pieces) - NAMED} more" if len(pieces) > NAMED else ""
    return f"{what}: {len(pieces)}" + (f": {', '.join(pieces[:NAMED])}{more}" if pieces else "")
