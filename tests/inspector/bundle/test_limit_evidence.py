"""The interval of a limit is in the bundle where it is known, and bundles without it stay as they were."""

import json
from pathlib import Path

import pytest

from inspector.bundle.load import digest_of
from inspector.bundle.schema import Bundle, Calibration, LimitEvidence

DEMO = Path(__file__).parents[3] / "deploy" / "bundles" / "demo" / "bundle.json"
PLAIN = Calibration(experts=("a",), temperature=1.0, bias=0.0, pass_below=0.1, fail_above=0.9)
EVIDENCE = LimitEvidence(
    rate=0.02, target_rate=0.02, confidence=0.95, num_pieces=23, beyond=0.0, observed_limit=0.7, method="tail"
)


def test_unknown_evidence_is_not_written():
    written = json.loads(PLAIN.model_dump_json())
    assert set(written) == {"experts", "temperature", "bias", "pass_below", "fail_above", "classes"}


def test_known_evidence_is_written_and_read_again():
    known = PLAIN.model_copy(update={"fail_evidence": EVIDENCE})
    written = known.model_dump_json()
    assert "pass_evidence" not in json.loads(written)
    assert Calibration.model_validate_json(written) == known


def test_a_bundle_of_an_earlier_version_is_read_and_keeps_its_digest_and_limits():
    content = json.loads(DEMO.read_bytes())
    schema = Bundle.model_validate(content)
    assert json.loads(schema.model_dump_json(exclude_unset=True)) == content
    assert all(calibration.fail_evidence is None for calibration in schema.calibrations)
    assert digest_of(schema) == digest_of(Bundle.model_validate_json(schema.model_dump_json(exclude_unset=True)))


def test_the_earlier_names_are_read():
    earlier = {"target_rate": "asked", "observed_limit": "plain"}
    content = {earlier.get(key, key): value for key, value in EVIDENCE.model_dump().items()}
    assert LimitEvidence.model_validate(content) == EVIDENCE


@pytest.mark.parametrize("change", [{"rate": 1.5}, {"confidence": 1.0}, {"num_pieces": -1}, {"method": "guess"}])
def test_impossible_evidence_is_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        LimitEvidence.model_validate({**EVIDENCE.model_dump(), **change})
