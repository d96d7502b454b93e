"""What pieces were judged on: read from the log, kept in an object store, and read back bit for bit."""
