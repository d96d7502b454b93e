"""Which recordings of judged pieces are kept, and for how long: the table `[keep]` of a recipe."""

from hashlib import blake2b
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from protos.inspection.v1.verdict_pb2 import DECISION_FAIL, DECISION_PASS
from streams.observation import InspectionId

Days = Annotated[float, Field(gt=0, le=36_500)]
Bytes = Annotated[int, Field(ge=0, le=2**60)]
_GIB = 2**30
_RANGE = 2**64


class Keep(BaseModel):
    """The images and signals that pieces were judged on, kept apart from the log, which deletes them within days."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    pieces: Literal["not_pass", "sampled", "all"] = "sampled"
    """`not_pass`: FAIL and REVIEW; `sampled`: these, and a share of PASS; `all`: every piece."""
    pass_share: float = Field(default=0.05, ge=0, le=1)
    """Share of PASS that `sampled` keeps, drawn by the piece's id: the same pieces each time."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Another seed draws other pieces."""
    pass_days: Days = 30.0
    """PASS older than this is removed, unless it is under review or in a data set."""
    fail_days: Days = 365.0
    """The same for FAIL."""
    review_days: Days = 365.0
    """The same for REVIEW."""
    pass_bytes: Bytes = 20 * _GIB
    """Above this many bytes of PASS the oldest are removed, unless under review or in a data set."""
    fail_bytes: Bytes = 50 * _GIB
    """The same for FAIL."""
    review_bytes: Bytes = 50 * _GIB
    """The same for REVIEW."""

    def wants(self, inspection: InspectionId, decision: int) -> bool:
        """Whether the recordings of this piece are kept."""
        if decision != DECISION_PASS or self.pieces == "all":
            return True
        return self.pieces == "sampled" and draw(inspection, self.seed) < self.pass_share

    def days(self, decision: int) -> float:
        if decision == DECISION_PASS:
            return self.pass_days
        return self.fail_days if decision == DECISION_FAIL else self.review_days

    def max_bytes(self, decision: int) -> int:
        if decision == DECISION_PASS:
            return self.pass_bytes
        return self.fail_bytes if decision == DECISION_FAIL else self.review_bytes


def draw(inspection: InspectionId, seed: int) -> float:
    """A number from 0 up to, not including, 1 that depends on nothing else."""
    text = "\x00".join((inspection.line, inspection.station, inspection.piece_id, str(inspection.pass_number)))
    digest = blake2b(text.encode(errors="surrogatepass"), digest_size=8, key=seed.to_bytes(8, "big")).digest()
    return int.from_bytes(digest, "big") / _RANGE
