"""`inspector data check`: everything that is wrong with a data set, before anything is trained on it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import click

from inspector.cli.bars import remaining_bars
from inspector.cli.errors import report_user_errors
from inspector.cli.printable import print_line
from inspector.dataset.check.labelled import SPLITS, LabelledRows
from inspector.dataset.check.report import DataReport
from inspector.dataset.check.run import TrainingView, check_data
from inspector.dataset.findings import Finding
from inspector.dataset.good_class import with_good
from inspector.dataset.labels import classes_of, modalities_of
from inspector.dataset.manifest import PieceRow
from inspector.dataset.progress import Progress
from inspector.training.config import TrainConfig, TrainConfigError, read_train_config
from inspector.training.config_check import config_findings
from inspector.training.labels import ClassMap, mapped_classes, with_own_labels

MAX_PLACES = 10
"""Lines of the manifest that are named for one finding; --all and --json name all."""


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@click.option("--all", "all_places", is_flag=True, help=f"Name all pieces of a finding, not the first {MAX_PLACES}.")
@click.option("--config", type=click.Path(path_type=Path), help="Training configuration, as for `inspector train`.")
@click.option("--good", multiple=True, metavar="NAME", help="Class that counts as good; repeatable.")
@click.option("--warnings-ok", is_flag=True, help="Exit code 0 if training warns, but refuses nothing.")
@report_user_errors(TrainConfigError)
def check(
    path: Path, as_json: bool, all_places: bool, config: Path | None, good: tuple[str, ...], warnings_ok: bool
) -> None:
    """Opens every file of a manifest and lists all that is wrong, each with line, piece and remedy.

    PATH is a manifest, or a folder with a manifest.jsonl. An ERROR stops training; a WARNING is given by it. Exit code
    1 if there is any of them.

    Found: files that are missing or cannot be read, NaN, transposed arrays, other rates, lengths or channels than the
    rest of a sensor has, recordings that occur twice, labels that contradict each other, splits that share recordings
    or groups, classes with too few independent parts, names that the line would refuse. With --config, its experts and
    [cameras] are checked too: regions, masks, references, tiles, and every picture's alignment.

    \b
    inspector data check set/manifest.jsonl
    inspector data check set --json > report.json
    """
    with remaining_bars() as progress:
        settings = TrainConfig() if config is None else read_train_config(config)
        report = check_data(path, progress, _view(settings, good, progress))
    if as_json:
        click.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=1))
    else:
        _print(report, None if all_places else MAX_PLACES)
    if report.num_errors or (report.findings and not warnings_ok):
        raise click.exceptions.Exit(1)


def _view(config: TrainConfig, good: Sequence[str], progress: Progress) -> TrainingView:
    def further(manifest: Path, dataset: LabelledRows) -> Iterator[Finding]:
        return config_findings(manifest, dataset.rows, dataset.modalities, config, progress)

    return TrainingView(partial(_relabelled, config.labels, good), config.uncertain_labels == "soft", further)


def _relabelled(shows: ClassMap, good: Sequence[str], rows: Sequence[PieceRow]) -> LabelledRows:
    """As a training would label them. Raises ManifestError."""
    rows = with_good(rows, good)
    labelled = with_own_labels(rows, modalities_of(rows), shows)
    modalities = modalities_of(labelled)
    return LabelledRows(labelled, [mapped_classes(m, modalities, shows) for m in modalities], classes_of(labelled))


def _print(report: DataReport, most: int | None) -> None:
    for finding in report.findings:
        print_line(f"{finding.severity.upper()} {report.said(finding)}")
        places = report.places(finding)
        for place in places[:most]:
            print_line(f"    {place}")
        if most is not None and len(places) > most:
            print_line(f"    and {len(places) - most} more: --all names them")
    for note in report.notes:
        print_line(f"note: {report.manifest.name} {note}")
    print_counts(report.counts)
    print_line(_verdict(report))


def print_counts(counts: Mapping[str, Mapping[str, int]]) -> None:
    """A table of pieces by label or class and split."""
    if not counts:
        return
    width = max(len("pieces"), *map(len, counts))
    print_line(f"{'pieces'.ljust(width)}  " + "  ".join(f"{split:>11}" for split in SPLITS))
    for name, by_split in counts.items():
        print_line(f"{name.ljust(width)}  " + "  ".join(f"{by_split[split]:>11}" for split in SPLITS))


def _verdict(report: DataReport) -> str:
    size = f"{len(report.rows)} pieces in {report.num_groups} groups, {report.num_files} files"
    if report.findings:
        num_warnings = len(report.findings) - report.num_errors
        return f"{report.num_errors} error(s), {num_warnings} warning(s) in {size}"
    counts = "; ".join(
        f"{name} {'/'.join(str(by_split[split]) for split in SPLITS)}" for name, by_split in report.counts.items()
    )
    advice = "" if set(report.counts) != {"ok"} else "; good pieces alone: `inspector fit --good-only` takes them"
    return f"All is well: {size}; {counts} in train/calibration/test{advice}"
