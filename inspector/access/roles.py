"""Says which role may do what. The one list of actions: of gRPC methods, page routes and commands."""

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple


class Role(IntEnum):
    """Each role may do everything that the roles before it may."""

    VIEWER = 1
    OPERATOR = 2
    QUALITY = 3
    ENGINEER = 4

    @property
    def word(self) -> str:
        """As written in the configuration and shown to people: `viewer`."""
        return self.name.lower()


ROLE_WORDS = tuple(role.word for role in Role)


def role_of(word: str) -> Role:
    """Raises ValueError that names the words expected."""
    if word not in ROLE_WORDS:
        raise ValueError(f"{word[:60]!r} is no role; write one of {', '.join(ROLE_WORDS)}")
    return Role[word.upper()]


class Rule(NamedTuple):
    """The least role for an action, and a description of the action for people."""

    role: Role
    meaning: str


RULES: Mapping[str, Rule] = {
    # Look
    "verdicts.watch": Rule(Role.VIEWER, "watch verdicts as they come, by program or on the page"),
    "verdicts.find": Rule(Role.VIEWER, "look up pieces and their verdicts"),
    "figures.see": Rule(Role.VIEWER, "see yield, defect rates and other figures"),
    "recordings.see": Rule(Role.VIEWER, "see and hear a piece's pictures and sounds on the page"),
    "model.see": Rule(Role.VIEWER, "see which model judges, and its card"),
    "deployments.see": Rule(Role.VIEWER, "see deployments and the state of workers"),
    "alerts.see": Rule(Role.VIEWER, "see alerts and their history"),
    "metrics.see": Rule(Role.VIEWER, "read the metrics of archive, alerts and page"),
    "dead_letters.see": Rule(Role.VIEWER, "see which records could not be used, and why"),
    "topics.see": Rule(Role.VIEWER, "check the topics on Kafka"),
    "service.reflect": Rule(Role.VIEWER, "list the gateway's methods by reflection"),
    # Work at the line
    "verdicts.inspect": Rule(Role.OPERATOR, "have a piece judged that the call carries"),
    "recordings.download": Rule(Role.OPERATOR, "download a piece's recordings"),
    "feedback.give": Rule(Role.OPERATOR, "record a finding about a piece"),
    "review.see": Rule(Role.OPERATOR, "open the review desk"),
    "review.answer": Rule(Role.OPERATOR, "answer a piece at the review desk, and undo it"),
    "alerts.acknowledge": Rule(Role.OPERATOR, "acknowledge an alert"),
    # Answer for quality
    "review.ask_second_opinion": Rule(Role.QUALITY, "ask for a second opinion about a piece"),
    "review.known_pieces": Rule(Role.QUALITY, "choose known pieces and see how reviewers did on them"),
    "alerts.silence": Rule(Role.QUALITY, "silence an alert for a time"),
    "archive.verify": Rule(Role.QUALITY, "compare the archive with the log, and judge kept pieces again"),
    "archive.export": Rule(Role.QUALITY, "export the archive"),
    "dataset.export": Rule(Role.QUALITY, "export a data set with its recordings"),
    "dataset.release": Rule(Role.QUALITY, "let go of the pieces that a data set holds in the archive"),
    "thresholds.change": Rule(Role.QUALITY, "change the limits of a decision"),
    "audit.read": Rule(Role.QUALITY, "read and verify the audit log"),
    # Change the line
    "deploy": Rule(Role.ENGINEER, "deploy a bundle, live or on trial"),
    "rollback": Rule(Role.ENGINEER, "end a trial or return to the previous deployment"),
    "deployments.tidy": Rule(Role.ENGINEER, "remove bundles that are no longer needed"),
    "archive.change": Rule(Role.ENGINEER, "rebuild the archive, or keep and remove recordings by hand"),
    "line.publish": Rule(Role.ENGINEER, "publish recorded or simulated pieces as a line would"),
    "topics.change": Rule(Role.ENGINEER, "create topics on Kafka, or correct their settings"),
    "users.see": Rule(Role.ENGINEER, "list users and tokens"),
    "users.change": Rule(Role.ENGINEER, "add and revoke tokens, end other people's sessions"),
}
"""Every action by its name. Actions that are not listed are allowed to nobody."""

ACTIONS: Mapping[str, Role] = {name: rule.role for name, rule in RULES.items()}
