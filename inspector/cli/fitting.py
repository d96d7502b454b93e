"""`inspector fit`: makes a bundle from good pieces alone, for a line that has no defects yet.

Help and errors of arguments need no torch: what does is imported by a command that runs.
"""

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inspector.cli.good_option import good_option
from inspector.cli.manifest_option import MANIFEST
from inspector.cli.places import require_writable_file
from inspector.cli.stages import stages
from inspector.cli.training import (
    page_beside,
    print_warnings,
    report_option,
    report_training_errors,
    strict_option,
    strictly,
    weights_file,
)
from inspector.report.page import write_page
from inspector.training.advice import write_training_report
from inspector.training.bundle_place import require_place
from inspector.training.config import read_train_config
from inspector.training.good_only.good_pieces import PASS_SHARE, GoodOptions

if TYPE_CHECKING:
    from inspector.training.good_only.descriptors import Backbone

FolderOrFile = click.Path(path_type=Path)


@click.command()
@click.argument("manifest", type=MANIFEST)
@click.option("--good-only", is_flag=True, help="Required. Confirms that pieces with defects are not used.")
@click.option("--out", "bundle", required=True, type=FolderOrFile, help="Folder of the bundle; replaced if it is one.")
@click.option("--pieces", type=click.IntRange(min=1), help="Number of good pieces to use. Default: all.")
@click.option(
    "--config",
    type=FolderOrFile,
    help="Training configuration (TOML). Only its [cameras] tables are used: region, mask and alignment.",
)
@click.option("--any-split", is_flag=True, help="Also use good pieces of the splits calibration and test.")
@click.option("--weights", metavar="NAME=FILE", help="Local safetensors file of a timm model, for the cameras.")
@click.option("--pretrained", metavar="NAME", help="A timm model for the cameras, whose weights timm downloads.")
@click.option(
    "--pass-share",
    default=PASS_SHARE,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of good pieces that shall pass.",
)
@click.option("--name", default="good-only", show_default=True, help="The bundle's name.")
@click.option("--seed", default=0, show_default=True, help="Equal seeds choose the same pieces.")
@good_option
@strict_option
@report_option
@report_training_errors()
def fit(
    manifest: Path,
    good_only: bool,
    bundle: Path,
    pieces: int | None,
    config: Path | None,
    any_split: bool,
    weights: str | None,
    pretrained: str | None,
    pass_share: float,
    name: str,
    seed: int,
    good: tuple[str, ...],
    strict: bool,
    report: Path | None,
) -> None:
    """Makes a bundle from the good pieces of MANIFEST alone. With 50 pieces it takes less than a minute.

    For the first days of a line, when nobody has seen a defect yet. The bundle learns how good pieces look and sound.
    A piece passes if it looks as usual as nine in ten good ones do (--pass-share); every other piece goes to REVIEW.
    The bundle never decides FAIL, names no class of defect, and its miss rate is unknown. Once people have found some
    dozens of defects, use `inspector train`.

    At least ten good pieces are needed; 50 are a good start. Take different parts from several lots, so that the bundle
    sees how much good parts vary. Pieces labelled nok are ignored. Cameras see little without a pretrained network
    (--weights or --pretrained); only small maps of few values, such as wafer maps, need none.

    \b
    inspector fit line/manifest.jsonl --good-only --out bundles/first-day \\
        --pieces 50 --weights tf_mobilenetv3_small_075=mobilenet.safetensors
    inspector evaluate bundles/first-day line/manifest.jsonl --split calibration
    """
    if not good_only:
        raise click.UsageError("this command fits on good pieces only: add --good-only, or use `inspector train`")
    require_place(bundle)
    require_writable_file(report, None if report is None else page_beside(report))
    start = time.monotonic()
    options = GoodOptions(
        name=name,
        pieces=pieces,
        any_split=any_split,
        seed=seed,
        backbone=_backbone(weights, pretrained),
        pass_share=pass_share,
        good=good,
        strict=strict,
        cameras={} if config is None else read_train_config(config).cameras,
    )
    from inspector.training.export import write_bundle
    from inspector.training.good_only.fit import fit_good_only
    from inspector.training.good_only.report_page import good_content
    from inspector.training.report_page import examined_by

    with strictly(report), stages() as progress:
        fitted = fit_good_only(manifest, options, progress)
        draft = fitted.bundle
        progress("writing graphs", 0, 1)
        write_bundle(bundle, draft)
        progress("writing graphs", 1, 1)
    print_warnings(draft.warnings)
    if report is not None:
        write_training_report(report, (), draft.warnings)
        with stages() as shown:
            content = good_content(fitted, examined_by(bundle, manifest.parent, partial(shown, "worst pieces")))
        click.echo(f"report: {write_page(content, page_beside(report))}, to look at in a browser")
    click.echo(
        f"bundle {draft.name} {draft.version} of {draft.provenance['good_pieces']} good pieces is in {bundle} after "
        f"{time.monotonic() - start:.0f} s; it knows no defect: see {bundle / 'model_card.md'}"
    )


def _backbone(weights: str | None, pretrained: str | None) -> "Backbone | None":
    if weights and pretrained:
        raise click.UsageError("--weights and --pretrained both name a network: give one of them")
    if not (weights or pretrained):
        return None
    from encoders.vision import Weights
    from inspector.training.good_only.descriptors import Backbone

    if weights:
        name, file = weights_file(weights)
        return Backbone(name, Weights(file=file))
    return Backbone(str(pretrained), Weights(pretrained=True))
