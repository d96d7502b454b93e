"""Says what each command does that works with a service: the least role for it is in `inspector.access.roles`."""

from collections.abc import Mapping

COMMAND_ACTIONS: Mapping[str, str] = {
    "access token add": "users.change",
    "access token list": "users.see",
    "access token revoke": "users.change",
    "alerts acknowledge": "alerts.acknowledge",
    "alerts history": "alerts.see",
    "alerts list": "alerts.see",
    "alerts silence": "alerts.silence",
    "alerts speed": "alerts.see",
    "archive export": "archive.export",
    "archive figures": "figures.see",
    "archive find": "verdicts.find",
    "archive judge-again": "archive.verify",
    "archive rebuild": "archive.change",
    "archive verify": "archive.verify",
    "audit send-head": "audit.read",
    "audit show": "audit.read",
    "audit verify": "audit.read",
    "dataset export": "dataset.export",
    "dataset release": "dataset.release",
    "dead-letters": "dead_letters.see",
    "deploy": "deploy",
    "deployments": "deployments.see",
    "deployments --tidy": "deployments.tidy",
    "replay": "line.publish",
    "review agreement": "review.known_pieces",
    "review known add": "review.known_pieces",
    "review known list": "review.known_pieces",
    "review known retire": "review.known_pieces",
    "review second-opinion": "review.ask_second_opinion",
    "rollback": "rollback",
    "score": "verdicts.find",
    "simulate --config": "line.publish",
    "source camera": "line.publish",
    "source folder": "line.publish",
    "source genicam": "line.publish",
    "source microphone": "line.publish",
    "source replay": "line.publish",
    "source rtsp": "line.publish",
    "topics check": "topics.see",
    "topics create": "topics.change",
}
"""Commands that take a service's configuration. Commands that ask a gateway are checked there."""

UNCHECKED: Mapping[str, str] = {
    "data check": "reads a file of a training, not of a service",
    "demo": "starts a service of its own",
    "doctor": "lists what this machine can run",
    "floor": "is the service",
    "gateway": "is the service",
    "serve": "is the service",
    "train": "reads a file of a training, not of a service",
    "worker": "is the service",
}
"""Commands that take a configuration and ask for no role, and the reason."""
