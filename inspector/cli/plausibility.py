"""`inspector plausibility`: learns the limits of plausible recordings, and writes them into a bundle.

The command line imports this module only when it is called, so that serving starts without torch.
"""

from pathlib import Path

import click

from inspector.bundle.files import write_manifest
from inspector.bundle.load import BundleError, load
from inspector.bundle.schema import Modality
from inspector.cli.manifest_option import MANIFEST
from inspector.cli.printable import print_line
from inspector.cli.training import FolderOrFile, report_training_errors
from inspector.dataset.bit_depths import demand_bit_depths
from inspector.dataset.manifest import ManifestError, read_manifest
from inspector.training.plausibility import with_plausibility


@click.command()
@click.argument("bundle", type=FolderOrFile)
@click.argument("manifest", type=MANIFEST)
@report_training_errors()
def plausibility(bundle: Path, manifest: Path) -> None:
    """Teaches BUNDLE which recordings are plausible: what is far outside of the good recordings in the training split
    of MANIFEST is no picture or sound of a piece, but a fault of the camera or sensor.

    MANIFEST is the one that the bundle was trained on. Limits that BUNDLE already has are replaced. Its digest changes,
    so deploy it as a new bundle.

    Example: inspector plausibility bundles/cup line/manifest.jsonl
    """
    loaded = load(bundle)
    schema = loaded.schema
    rows = read_manifest(manifest, "train")
    demand_bit_depths(rows, schema.modalities)
    modalities = with_plausibility(manifest.parent, rows, schema.modalities, schema.experts)
    if all(modality.plausibility is None for modality in modalities):
        raise ManifestError(
            f"{manifest}: split train has no recording labelled ok of {', '.join(m.name for m in modalities)}: name "
            "the manifest that the bundle was trained on"
        )
    try:
        write_manifest(bundle, schema.model_copy(update={"modalities": modalities}))
    except OSError as exc:
        raise BundleError(f"{bundle}: cannot be written ({exc.strerror}); make the folder writable") from exc
    for modality in modalities:
        print_line(f"{modality.name}: {_summary(modality)}")


def _summary(modality: Modality) -> str:
    limits = modality.plausibility
    if limits is None:
        return "no good recording, so no limits: label some ok"
    return f"{len(limits.figures)} figures, limits from {limits.recordings} good recordings of {limits.groups} groups"
