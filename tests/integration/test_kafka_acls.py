"""The rights that docs/BROKER.md gives each user: enough for its work, and not for another's."""

import re
import shlex
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePattern, ResourceType

from deploy.kafka.run import properties
from streams.kafka import KafkaSecurity, TopicPlan, create_topics
from streams.kafka.client import open_admin
from streams.kafka.topics import check_topics
from streams.log import LogError, Position, Start
from streams.records import Output, TopicPartition
from streams.resume import Memo
from tests.integration.conftest import free_ports, start
from tests.integration.kafka_line import PREFIX, KafkaLine, poll_until

pytestmark = pytest.mark.broker

PAGE = Path(__file__).parents[2] / "docs" / "BROKER.md"
KINDS = {
    "--topic": ResourceType.TOPIC,
    "--group": ResourceType.GROUP,
    "--transactional-id": ResourceType.TRANSACTIONAL_ID,
}
USERS, PASSWORD = ("camera", "worker", "gateway", "deployer", "topics"), "not-a-secret"


def rights(command: str, line: KafkaLine) -> list[ACL]:
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


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaLine]:
    """A line as user `admin`-to-be: the loopback listener without login is the super user, the other one asks."""
    data = tmp_path_factory.mktemp("acls")
    plain, sasl, controller = free_ports(3)
    config = properties(plain, controller, data) | {
        "listeners": f"PLAINTEXT://127.0.0.1:{plain},SASL_PLAINTEXT://127.0.0.1:{sasl},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{plain},SASL_PLAINTEXT://127.0.0.1:{sasl}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    broker = start(data, config, dict.fromkeys(USERS, PASSWORD))
    try:
        line = KafkaLine.named(f"127.0.0.1:{plain}", "acls")
        line.create()
        commands = re.findall(r"^kafka-acls\.sh .*$", PAGE.read_text(), re.MULTILINE)
        with closing(open_admin(line.settings)) as admin:
            admin.create_acls([right for command in commands for right in rights(command, line)])
        yield replace(line, settings=replace(line.settings, bootstrap_servers=(f"127.0.0.1:{sasl}",)))
    finally:
        broker.stop()


def as_user(line: KafkaLine, user: str) -> KafkaLine:
    security = KafkaSecurity("sasl_plaintext", username=user, password=PASSWORD)
    return replace(line, settings=replace(line.settings, security=security))


def test_each_user_can_do_its_work(line: KafkaLine) -> None:
    as_user(line, "camera").publish([b"a"])
    log = as_user(line, "worker").log()
    with closing(log.sink()) as sink, closing(log.source()) as source:
        batches, _ = poll_until(source, 1)
        frames = TopicPartition(line.topics.of("frames"), 0)
        outputs = [
            line.verdict(b"A"),
            Output(line.topics.of("dead-letters"), 0, b"s", b"D", "inspection.v1.DeadLetter"),
        ]
        sink.commit(outputs, {frames: Position(1, Memo(read=1).encode())}, batches[-1].epoch)
    gateway = as_user(line, "gateway")
    assert [record.value for record in gateway.verdicts(1)] == [b"A"]
    gateway.publish([b"feedback"], "feedback")
    for user in ("worker", "deployer"):
        as_user(line, user).publish([b"order"], "control")
    with closing(as_user(line, "deployer").log().control(Start(earliest=True))) as control:
        assert control.poll(5.0)
    maker = as_user(line, "topics").settings
    create_topics(maker, PREFIX, [line.name], TopicPlan(partitions=line.partitions))
    assert check_topics(maker, PREFIX, [line.name]) == []


@pytest.mark.parametrize(
    ("user", "kind"),
    [
        ("camera", "verdicts"),
        ("camera", "control"),
        ("camera", "pieces"),
        ("gateway", "verdicts"),
        ("gateway", "control"),
        ("deployer", "verdicts"),
        ("worker", "frames"),
        ("topics", "verdicts"),
    ],
)
def test_nobody_can_do_another_s_work(line: KafkaLine, user: str, kind: str) -> None:
    with pytest.raises(LogError, match="Authorization"):
        as_user(line, user).publish([b"PASS"], kind)
