"""A bundle's promise about misses is believed only where it follows from its counts."""

from pathlib import Path

import pytest

from inspector.bundle.load import BundleError, load
from tests.bundles import edit_manifest, write_toy_bundle

CLAIM = {"miss_rate": 0.008, "pass_below": 0.2, "num_misses": 0, "good_held": 0.4}
CERTIFICATE = {
    "miss_rate": 0.008,
    "confidence": 0.95,
    "num_defects": 373,
    "claim": CLAIM,
    "nearest": CLAIM,
    "needs": 0,
    "sure_below": 0.1,
}


def test_what_follows_from_its_counts_loads(tmp_path: Path) -> None:
    edit_manifest(write_toy_bundle(tmp_path), {"certificate": CERTIFICATE})
    certificate = load(tmp_path).schema.certificate
    assert certificate is not None
    assert certificate.claim == certificate.nearest


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (
            {"num_defects": 372},
            "claims a miss rate of 0.80% from 0 misses among 372 independent defects, which certify",
        ),
        ({"claim": CLAIM | {"num_misses": 1}}, "claims a miss rate of 0.80% from 1 misses among 373"),
        ({"claim": None, "nearest": CLAIM | {"miss_rate": 0.002}}, "claims a miss rate of 0.20%"),
        ({"confidence": 0.99}, "which certify 1.23% at 99%"),
        ({"claim": CLAIM | {"miss_rate": 0.02}}, "asks for 0.80% and claims 2.00%"),
        ({"claim": None, "needs": 7}, "says that it needs 7 more defects, its counts say 0"),
        ({"num_defects": 10**9}, "certificate.num_defects: Input should be less"),
    ],
)
def test_a_claim_that_does_not_follow_is_refused(tmp_path: Path, change: dict[str, object], finding: str) -> None:
    edit_manifest(write_toy_bundle(tmp_path), {"certificate": CERTIFICATE | change})
    with pytest.raises(BundleError, match=finding):
        load(tmp_path)
