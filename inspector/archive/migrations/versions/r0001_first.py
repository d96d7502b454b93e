"""The first tables, as the schema describes them. Before a second step, this one must spell them out."""

from alembic import op

from inspector.archive import schema  # noqa: F401 - defines the tables
from inspector.archive.metadata import METADATA

revision = "0001"
down_revision = None


def upgrade() -> None:
    METADATA.create_all(op.get_bind())
