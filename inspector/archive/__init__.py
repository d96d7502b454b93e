"""Stores verdicts, what was judged, feedback, deployments and alerts in a database and an object store."""
