"""TLS, SASL/SCRAM and the rights that docs/how-to/kafka.md gives each user, against a broker with a certificate made
for the test."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from deploy.kafka.run import properties
from streams.join.offset_metadata import OffsetMetadata
from streams.kafka.client import open_admin, open_reader
from streams.kafka.settings import KafkaSecurity
from streams.kafka.topics import TopicPlan, check_topics, create_topics
from streams.log import LogError, Position, Start
from streams.records import Output, TopicPartition
from tests.integration.broker_rights import rights_of_the_page
from tests.integration.conftest import free_ports, start
from tests.integration.kafka_line import PREFIX, KafkaLine, poll_until

pytestmark = pytest.mark.broker

USER, PASSWORD = "inspector", "not-a-secret"
USERS = ("camera", "worker", "gateway", "deployer", "topics")
"""Those of docs/how-to/kafka.md that are tried; the other producers have the camera's rights."""


@dataclass(frozen=True)
class Secured:
    ports: dict[str, int]
    ca_file: str
    cert_file: str
    key_file: str

    def line(self, test: str, security: KafkaSecurity) -> KafkaLine:
        kafka_line = KafkaLine.named(f"localhost:{self.ports[security.protocol]}", test)
        return replace(kafka_line, settings=replace(kafka_line.settings, security=security))


def write_key_store(certificate: trustme.LeafCert, file: Path) -> None:
    """Java reads keys in PKCS #8 only."""
    key = load_pem_private_key(certificate.private_key_pem.bytes(), password=None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(pem + b"".join(pem_.bytes() for pem_ in certificate.cert_chain_pems))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A broker with a listener per protocol; `ssl` demands a client certificate."""
    data = tmp_path_factory.mktemp("secured")
    authority = trustme.CA()
    ca_file, server_file, cert_file, key_file = (str(data / name) for name in ("ca", "server", "cert", "key"))
    authority.cert_pem.write_to_path(ca_file)
    write_key_store(authority.issue_cert("localhost", "127.0.0.1"), Path(server_file))
    client = authority.issue_cert("client.example")
    client.private_key_pem.write_to_path(key_file)
    for pem in client.cert_chain_pems:
        pem.write_to_path(cert_file, append=True)
    plain, tls, sasl, sasl_plain, controller = free_ports(5)
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    config = properties(plain, controller, data) | {
        "listeners": f"PLAINTEXT://127.0.0.1:{plain},SSL://127.0.0.1:{tls},SASL_SSL://127.0.0.1:{sasl},"
        f"SASL_PLAINTEXT://127.0.0.1:{sasl_plain},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{plain},SSL://localhost:{tls},SASL_SSL://localhost:{sasl},"
        f"SASL_PLAINTEXT://localhost:{sasl_plain}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,"
        "SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": server_file,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": ca_file,
        "listener.name.ssl.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": scram,
        "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config": scram,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "ssl.principal.mapping.rules": "RULE:^.*$/tls/",
        "super.users": f"User:ANONYMOUS;User:tls;User:{USER}",
    }
    broker = start(data, config, dict.fromkeys((USER, *USERS), PASSWORD))
    ports = {"plaintext": plain, "ssl": tls, "sasl_ssl": sasl, "sasl_plaintext": sasl_plain}
    yield Secured(ports, ca_file, cert_file, key_file)
    broker.stop()


def security(secured: Secured, protocol: str) -> KafkaSecurity:
    match protocol:
        case "ssl":
            return KafkaSecurity("ssl", ca_file=secured.ca_file, cert_file=secured.cert_file, key_file=secured.key_file)
        case "sasl_ssl":
            return KafkaSecurity("sasl_ssl", ca_file=secured.ca_file, username=USER, password=PASSWORD)
        case _:
            return KafkaSecurity("sasl_plaintext", username=USER, password=PASSWORD)


@pytest.mark.parametrize("protocol", ["ssl", "sasl_ssl", "sasl_plaintext"])
def test_everything_works_over(secured: Secured, protocol: str) -> None:
    line = secured.line(protocol, security(secured, protocol))
    line.create()
    line.publish([b"a"])
    log = line.log()
    with closing(log.sink()) as sink, closing(log.source()) as source:
        batches, _ = poll_until(source, 1)
        frames = TopicPartition(line.topics.of("frames"), 0)
        sink.commit([line.verdict(b"A")], {frames: Position(1, OffsetMetadata(read=1).encode())}, batches[-1].epoch)
    assert [record.value for record in line.verdicts(1)] == [b"A"]


def test_a_password_is_never_shown(secured: Secured) -> None:
    assert PASSWORD not in repr(secured.line("shown", security(secured, "sasl_ssl")).settings)


def test_files_that_are_no_certificates_are_named(secured: Secured) -> None:
    line = secured.line("files", KafkaSecurity("ssl", ca_file=secured.key_file))
    with pytest.raises(LogError, match=r"TLS files .*key cannot be used"):
        open_reader(line.settings)


@pytest.fixture(scope="module")
def ruled(secured: Secured) -> KafkaLine:
    """A line on which docs/how-to/kafka.md has been followed."""
    line = secured.line("ruled", security(secured, "sasl_plaintext"))
    with closing(open_admin(line.settings)) as admin:
        admin.create_acls(rights_of_the_page(line))
    as_user(line, "topics").create()
    return line


def as_user(line: KafkaLine, user: str) -> KafkaLine:
    security = KafkaSecurity("sasl_plaintext", username=user, password=PASSWORD)
    return replace(line, settings=replace(line.settings, security=security))


def test_each_user_can_do_its_work(ruled: KafkaLine) -> None:
    as_user(ruled, "camera").publish([b"a"])
    log = as_user(ruled, "worker").log()
    with closing(log.sink()) as sink, closing(log.source()) as source:
        batches, _ = poll_until(source, 1)
        frames = TopicPartition(ruled.topics.of("frames"), 0)
        outputs = [
            ruled.verdict(b"A"),
            Output(ruled.topics.of("dead-letters"), 0, b"s", b"D", "inspection.v1.DeadLetter"),
        ]
        sink.commit(outputs, {frames: Position(1, OffsetMetadata(read=1).encode())}, batches[-1].epoch)
    gateway = as_user(ruled, "gateway")
    assert [record.value for record in gateway.verdicts(1)] == [b"A"]
    with closing(gateway.log().dead_letters(Start(earliest=True))) as letters:
        assert [record.value for record in letters.poll(5.0)] == [b"D"]
    gateway.publish([b"feedback"], "feedback")
    for user in ("worker", "deployer"):
        as_user(ruled, user).publish([b"order"], "control")
    with closing(as_user(ruled, "deployer").log().control(Start(earliest=True))) as control:
        assert control.poll(5.0)
    maker = as_user(ruled, "topics").settings
    create_topics(maker, PREFIX, [ruled.name], TopicPlan(partitions=ruled.partitions + 1))
    assert check_topics(maker, PREFIX, [ruled.name]) == []


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
def test_nobody_can_do_another_s_work(ruled: KafkaLine, user: str, kind: str) -> None:
    with pytest.raises(LogError, match="Authorization"):
        as_user(ruled, user).publish([b"PASS"], kind)
