"""Called by alembic: runs the steps within the transaction of `inspector.archive.migrate`."""

from alembic import context

from inspector.archive.metadata import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, transactional_ddl=True)
context.run_migrations()
