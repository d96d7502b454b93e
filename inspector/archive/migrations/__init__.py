"""Steps between versions of the archive's tables, run by alembic."""
