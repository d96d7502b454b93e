"""Loads a bundle's folder and verifies schema, names and hashes. Opens no graph."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from fusion.certificate import certifiable_level, certifies, further_defects
from fusion.policy import LEARNED
from inspector.bundle.schema import MANIFEST_NAME, Bundle, Calibration, Certificate, Expert, Policy, Router, SignalInput
from inspector.bundle.weights import weights_fault

CARD_NAME = "model_card.md"

DIGEST_DIGITS = 12
"""Digits of a bundle's digest in names and messages."""


class BundleError(ValueError):
    """A bundle cannot be used; the message names the finding, the expectation and the fix."""


@dataclass(frozen=True, slots=True)
class LoadedBundle:
    """A bundle whose files are those that were exported."""

    folder: Path
    schema: Bundle
    model_card: str
    digest: str = ""
    """SHA-256 in hex: see `digest_of`."""

    def path(self, file: str) -> Path:
        return self.folder / file

    def file_fault(self, file: str) -> str:
        """The defect of a file, compiled ones included; empty where it is as listed."""
        return _file_fault(self.folder, file, self.schema)


def load(folder: Path) -> LoadedBundle:
    """Reads and checks everything but the graphs. Raises BundleError with all findings of the first step that fails."""
    content = _read(folder / MANIFEST_NAME)
    try:
        return _checked(folder, content)
    except BundleError:
        if _read(folder / MANIFEST_NAME) == content:
            raise
        return load(folder)  # Its card was rewritten meanwhile: see inspector/bundle/card.py.


def _checked(folder: Path, content: bytes) -> LoadedBundle:
    schema = _parsed(folder / MANIFEST_NAME, content)
    _refuse(folder, _file_names(schema))
    _refuse(folder, _meanings(schema))
    _refuse(folder, _contents(folder, schema))
    card = folder / CARD_NAME
    text = card.read_text(encoding="utf-8", errors="replace") if CARD_NAME in schema.files else ""
    return LoadedBundle(folder, schema, text, digest_of(schema))


def digest_of(schema: Bundle) -> str:
    """Identifies the model: hash of the manifest with the hash of every file except the model card, so that measuring a
    bundle does not change its digest. Keys that are not set in the manifest do not count.
    """
    content = schema.model_dump(mode="json", exclude_unset=True)
    content["files"] = {name: digest.lower() for name, digest in schema.files.items() if name != CARD_NAME}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _refuse(folder: Path, findings: Iterator[str]) -> None:
    problems = list(findings)
    if problems:
        raise BundleError("\n".join(f"bundle {folder}: {finding}" for finding in problems))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise BundleError(
            f"{path}: cannot be read ({exc.strerror}); name a bundle: a folder made by `inspector train`"
        ) from exc


def _parsed(path: Path, content: bytes) -> Bundle:
    try:
        return Bundle.model_validate_json(content)
    except ValidationError as exc:
        findings = (f"{'.'.join(map(str, error['loc'])) or 'content'}: {error['msg']}" for error in exc.errors())
        text = "\n".join(f"{path}: {finding}" for finding in findings)
        raise BundleError(f"{text}\nexport the bundle again with this version of inspector") from exc


def _file_names(schema: Bundle) -> Iterator[str]:
    for name in schema.files:
        if name != Path(name).name or name in ("", ".", "..", MANIFEST_NAME) or "\\" in name:
            yield f"file name {name!r} is not plain; files lie directly in the folder, next to {MANIFEST_NAME}"
    for part, file in _named(schema):
        if file not in schema.files:
            yield f"{part} names file {file!r}, which `files` does not list with its SHA-256; export the bundle again"


def _named(schema: Bundle) -> Iterator[tuple[str, str]]:
    yield "head", schema.head.file
    for expert in schema.experts:
        yield f"expert {expert.name!r}", expert.file
    for variant in schema.compiled:
        for graph in variant.graphs:
            yield f"{graph.part!r} for {variant.engine}/{variant.precision}", graph.file
    if schema.parity_set is not None:
        yield "the parity set", schema.parity_set


def _contents(folder: Path, schema: Bundle) -> Iterator[str]:
    """Faults of all files but compiled graphs, which are checked when opened: a bad one costs one variant."""
    compiled = {graph.file for form in schema.compiled for graph in form.graphs}
    exported = {schema.head.file, *(expert.file for expert in schema.experts)}
    for name in schema.files:
        if (name not in compiled or name in exported) and (fault := _file_fault(folder, name, schema)):
            yield fault


def _file_fault(folder: Path, name: str, schema: Bundle) -> str:
    expected = schema.files[name]
    try:
        with (folder / name).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        return f"file {name!r} cannot be read ({exc.strerror}); copy the whole folder again"
    if digest != expected.lower():
        return f"file {name!r} has SHA-256 {digest}, expected {expected}; copy the bundle again, or export it again"
    return _weights_fault(folder, name, schema)


def _weights_fault(folder: Path, name: str, schema: Bundle) -> str:
    """Every runtime reads weights in files next to a graph, whether or not a hash covers them."""
    compiled = {graph.file: form.engine for form in schema.compiled for graph in form.graphs}
    exported = {schema.head.file, *(expert.file for expert in schema.experts)}
    if name not in exported and compiled.get(name, "tensorrt") == "tensorrt":
        return ""  # no ONNX graph
    return weights_fault(folder / name, schema.files.keys() - compiled.keys())


def _meanings(schema: Bundle) -> Iterator[str]:
    experts = [expert.name for expert in schema.experts]
    parts = [*experts, "head"]
    yield from _doubled("expert", parts)
    yield from _doubled("modality", [modality.name for modality in schema.modalities])
    yield from _policy(schema.policy, experts)
    for modality in schema.modalities:
        yield from _unknown(f"classes of modality {modality.name!r}", modality.classes, schema.classes)
    for expert in schema.experts:
        yield from _expert(expert, schema)
    for calibration in schema.calibrations:
        yield from _calibration(calibration, experts, schema.classes)
    yield from _doubled("compiled form", [f"{variant.engine}/{variant.precision}" for variant in schema.compiled])
    for variant in schema.compiled:
        yield from _unknown(f"{variant.engine}/{variant.precision}", [graph.part for graph in variant.graphs], parts)
    yield from _doubled("calibration of", ["+".join(calibration.experts) for calibration in schema.calibrations])
    if schema.certificate is not None:
        yield from _certificate(schema.certificate)


def _policy(policy: Policy, experts: Sequence[str]) -> Iterator[str]:
    yield from _unknown("policy.static_experts", policy.static_experts, experts)
    if policy.mode == "static" and not policy.static_experts:
        yield f"policy.mode = 'static' names no static_experts; name the experts to run, out of {sorted(experts)}"
    if policy.low > policy.high:
        yield f"policy.low = {policy.low} lies above policy.high = {policy.high}; swap them"
    if policy.mode in LEARNED and policy.router is None:
        yield f"policy.mode = {policy.mode!r} has no policy.router; train the bundle again, or set another mode"
    if policy.router is not None:
        yield from _router(policy.router, experts)


def _router(router: Router, experts: Sequence[str]) -> Iterator[str]:
    num_first, num_paths = len(router.first), len(router.paths)
    yield from _unknown("policy.router.first", router.first, experts)
    if set(router.experts) != set(experts) or len(router.costs_ms) != len(router.experts):
        yield f"policy.router has costs of {sorted(router.experts)}, expected one for each of {sorted(experts)}"
    for path in router.paths:
        yield from _unknown("policy.router.paths", path, experts)
    if {*router.first, *router.paths[-1]} != set(experts):
        yield "policy.router: the first experts and the last of the paths are not all experts; train the bundle again"
    lengths = {
        "centre": (len(router.centre), num_first),
        "scale": (len(router.scale), num_first),
        "weights": (len(router.weights), num_paths),
        "bias": (len(router.bias), num_paths),
    }
    for name, (length, expected) in lengths.items():
        if length != expected:
            yield f"policy.router.{name} has {length} entries, expected {expected}; train the bundle again"
    if {len(row) for row in router.weights} - {2 * (num_first + 1)}:
        yield f"policy.router.weights has rows of a length other than {2 * (num_first + 1)}; train the bundle again"


def _expert(expert: Expert, schema: Bundle) -> Iterator[str]:
    kinds = {modality.name: modality.kind for modality in schema.modalities}
    kind = kinds.get(expert.modality)
    if kind is None:
        yield f"expert {expert.name!r} looks at {expert.modality!r}, which is none of the modalities {sorted(kinds)}"
    elif (kind == "image") != (expert.input.type == "image"):
        yield f"expert {expert.name!r} takes an input of type {expert.input.type!r}, but {expert.modality!r} is {kind}"
    form = expert.input
    if isinstance(form, SignalInput) and form.scaling == "standard":
        lengths = (len(form.mean), len(form.std))
        if lengths != (form.num_channels, form.num_channels) or min(form.std, default=0.0) <= 0:
            expectation = f"one mean and one positive std for each of {form.num_channels} channels"
            yield f"expert {expert.name!r}: scaling has mean {form.mean} and std {form.std}, expected {expectation}"


def _calibration(calibration: Calibration, experts: Sequence[str], classes: Sequence[str]) -> Iterator[str]:
    label = f"calibration of {'+'.join(calibration.experts)}"
    yield from _unknown(label, calibration.experts, experts)
    yield from _unknown(f"{label}: classes", tuple(calibration.classes), classes)
    yield from _unknown(f"{label}: class_scales", tuple(calibration.class_scales), classes)
    if list(calibration.experts) != sorted(set(calibration.experts)):
        yield f"{label}: the experts are not sorted, or named twice; export the bundle again"
    if calibration.pass_below > calibration.fail_above:
        yield f"{label}: pass_below = {calibration.pass_below} lies above fail_above = {calibration.fail_above}"


def _certificate(certificate: Certificate) -> Iterator[str]:
    """Recomputes the claims: a certificate is accepted only where its counts support it."""
    num, confidence = certificate.num_defects, certificate.confidence
    for claim in (claim for claim in (certificate.claim, certificate.nearest) if claim is not None):
        if not certifies(num, claim.num_misses, claim.miss_rate, confidence):
            level = certifiable_level(num, claim.num_misses, confidence)
            yield (
                f"certificate claims a miss rate of {claim.miss_rate:.2%} from {claim.num_misses} misses among {num} "
                f"independent defects, which certify {level:.2%} at {confidence:.0%}; train the bundle again"
            )
    claimed = 0.0 if certificate.claim is None else certificate.claim.miss_rate
    if claimed > certificate.miss_rate:
        yield f"certificate asks for {certificate.miss_rate:.2%} and claims {claimed:.2%}; train it again"
    misses = 0 if certificate.nearest is None else certificate.nearest.num_misses
    needs = further_defects(num, misses, certificate.miss_rate, confidence)
    if certificate.needs != needs:
        yield f"certificate says that it needs {certificate.needs} more defects, its counts say {needs}; train it again"


def _doubled(what: str, names: Sequence[str]) -> Iterator[str]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{what} {name!r} is listed twice; names must be unique"


def _unknown(what: str, names: Sequence[str], known: Sequence[str]) -> Iterator[str]:
    for name in sorted(set(names) - set(known)):
        yield f"{what} names {name!r}, which is none of {sorted(known)}"
