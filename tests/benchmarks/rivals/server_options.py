"""Reads the options that the servers of the rivals share."""

import argparse
from pathlib import Path


def server_options(description: str | None) -> argparse.Namespace:
    """Port, bundle, workers and largest batch of a server, from its command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--max-batch", type=int, default=1)
    return parser.parse_args()
