"""Stores verdicts, recordings, feedback, deployments and alerts in a database and an object store."""
