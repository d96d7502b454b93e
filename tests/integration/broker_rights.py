"""Turns the commands of docs/how-to/kafka.md into rights for the topics, group and transactions of one line."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

from kafka.admin import ACL, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePattern, ResourceType

from tests.integration.kafka_line import PREFIX, KafkaLine

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "kafka.md"
KINDS = {
    "--topic": ResourceType.TOPIC,
    "--group": ResourceType.GROUP,
    "--transactional-id": ResourceType.TRANSACTIONAL_ID,
}


def rights_of_the_page(line: KafkaLine) -> list[ACL]:
    commands = re.findall(r"^kafka-acls\.sh .*$", PAGE.read_text(), re.MULTILINE)
    return [right for command in commands for right in _rights(command, line)]


def _rights(command: str, line: KafkaLine) -> list[ACL]:
    """Those of one command of the page, with the names of this line."""
    words = shlex.split(command)
    options = [(flag, value) for flag, value in pairwise(words) if flag.startswith("--")]
    (principal,) = (value for flag, value in options if flag == "--allow-principal")
    prefixed = ("--resource-pattern-type", "prefixed") in options
    pattern = ACLResourcePatternType.PREFIXED if prefixed else ACLResourcePatternType.LITERAL
    operations = [ACLOperation[_upper(value)] for flag, value in options if flag == "--operation"]
    names = [(KINDS[flag], _renamed(value, line)) for flag, value in options if flag in KINDS]
    return [
        ACL(principal, "*", operation, ACLPermissionType.ALLOW, ResourcePattern(kind, name, pattern))
        for kind, name in names
        for operation in operations
    ]


def _upper(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).upper()


def _renamed(name: str, line: KafkaLine) -> str:
    return re.sub(r"^inspector\b", line.name, name.replace("inspection.line-1", f"{PREFIX}.{line.name}"))
