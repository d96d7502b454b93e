"""Makes and checks the topics of lines: present, of equal partition counts, stamped by the log, unpacked, large
enough.

Knows no record.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from kafka import KafkaAdminClient
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource, ConfigResourceType

from streams.kafka.client import open_admin
from streams.kafka.settings import KafkaSettings
from streams.log import LogError, TopicsError
from streams.records import CONTROL_KIND, Topics

log = logging.getLogger("inspector.streams.kafka")

STAMP = "message.timestamp.type"
SIZE = "max.message.bytes"
RETENTION = "retention.ms"
CLEANUP = "cleanup.policy"
COMPRESSION = "compression.type"
_WANTED = {
    STAMP: ("LogAppendTime", ", for pieces are timed by the log's clock"),
    COMPRESSION: (
        "uncompressed",
        ", so that brokers unpack what producers compress, and refuse what is too large then",
    ),
}
_WANTED_OF_CONTROL = {CLEANUP: ("compact", " alone, else what is deployed is forgotten")}
"""Value of an option, and why it is needed."""
_COMPACTED = {CLEANUP: "compact", "segment.ms": str(6 * 3_600_000)}
"""Kafka never compacts the segment that it writes to: without new ones, signs of life would pile up for a week."""


@dataclass(frozen=True, slots=True)
class Described:
    """A topic as the cluster describes it; one that is recreated gets another id."""

    topic_id: str | None
    num_partitions: int


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """How new topics are made."""

    partitions: int = 4
    replication: int = 1
    retention_hours: float | None = None
    """None leaves the broker's default."""


def create_topics(settings: KafkaSettings, prefix: str, lines: Sequence[str], plan: TopicPlan) -> list[str]:
    """Makes what is missing, adds partitions where they are too few, sets the options; a line of report per topic.

    Raises LogError when the cluster refuses.
    """
    with closing(open_admin(settings)) as admin:
        found = _partition_counts(admin, prefix, lines)
        try:
            return [_mend(admin, settings, topic, count, plan) for topic, count in found.items()]
        except kafka_errors.KafkaError as exc:
            raise LogError(f"the cluster refuses to make the topics: {type(exc).__name__}: {exc}") from exc


def check_topics(settings: KafkaSettings, prefix: str, lines: Sequence[str]) -> list[str]:
    """What is wrong with the topics, one line each; empty when nothing is."""
    with closing(open_admin(settings)) as admin:
        counts = _partition_counts(admin, prefix, lines)
        problems = _count_problems(counts, prefix, lines)
        present = [topic for topic, count in counts.items() if count]
        options = _options(admin, present)
    return problems + [problem for topic in present for problem in _option_problems(settings, topic, options[topic])]


def require_topics(settings: KafkaSettings, prefix: str, lines: Sequence[str]) -> None:
    """Raises TopicsError unless every line has all its topics with equal partition counts, stamped by the log.

    What else is wrong with their options is logged.
    """
    with closing(open_admin(settings)) as admin:
        counts = _partition_counts(admin, prefix, lines)
        problems = _count_problems(counts, prefix, lines)
        options = {} if problems else _options(admin, list(counts))
    by_problem: dict[str, list[str]] = {}
    for topic, each in options.items():
        for problem in _problems(settings, topic, each):
            by_problem.setdefault(problem, []).append(topic)
    for problem, topics in by_problem.items():
        line = f"{', '.join(topics)}: {problem}"
        if problem.startswith(STAMP):
            problems.append(line)
        else:
            log.error("%s", line)
    if problems:
        raise TopicsError("; ".join(problems))


def missing_topics(settings: KafkaSettings, names: Sequence[str]) -> list[str]:
    """Those of the topics that the cluster does not have."""
    with closing(open_admin(settings)) as admin:
        return [name for name, each in described(admin, names).items() if not each.num_partitions]


def described(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, Described]:
    """What the cluster says of topics; those that are missing have no partitions."""
    topics = {
        each["name"]: Described(each["topic_id"], len(each["partitions"])) for each in admin.describe_topics(names)
    }
    return {name: topics.get(name, Described(None, 0)) for name in names}


def layout_problem(topics: Topics, counts: Mapping[str, int]) -> str:
    """What is missing or unequal among topics of one line, and its cure; empty where nothing is."""
    missing = [topic for topic, count in counts.items() if not count]
    if missing:
        return f"{', '.join(missing)} missing: create with 'inspector topics create'"
    sisters = {topic: counts[topic] for topic in topics.sisters}
    if len(set(sisters.values())) == 1:
        return ""
    listed = ", ".join(f"{topic} has {count}" for topic, count in sisters.items())
    return (
        f"unequal partition counts send the records of a station to different workers ({listed}): make them equal with "
        f"'inspector topics create --partitions {max(sisters.values())}' while nothing writes"
    )


def _partition_counts(admin: KafkaAdminClient, prefix: str, lines: Sequence[str]) -> Mapping[str, int]:
    """Partitions per topic; 0 for a topic that is missing."""
    names = [topic for line in lines for topic in Topics(prefix, line).all]
    return {name: each.num_partitions for name, each in described(admin, names).items()}


def _count_problems(counts: Mapping[str, int], prefix: str, lines: Sequence[str]) -> list[str]:
    problems = []
    for topics in (Topics(prefix, line) for line in lines):
        problems.append(layout_problem(topics, {topic: counts[topic] for topic in topics.all}))
    return [problem for problem in problems if problem]


def _options(admin: KafkaAdminClient, topics: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    if not topics:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
    described = admin.describe_configs(resources, config_filter="all")["topic"]
    return {topic: {name: str(each["value"]) for name, each in described[topic].items()} for topic in topics}


def _option_problems(settings: KafkaSettings, topic: str, options: Mapping[str, str]) -> list[str]:
    return [f"{topic}: {problem}" for problem in _problems(settings, topic, options)]


def _problems(settings: KafkaSettings, topic: str, options: Mapping[str, str]) -> list[str]:
    """What is wrong with the options of a topic, each with its cure; every sentence begins with the option's name."""
    if STAMP not in options:
        return ["its options cannot be read, so they are not checked: give this user the right DescribeConfigs"]
    wanted = _WANTED | _WANTED_OF_CONTROL if _is_control(topic) else _WANTED
    problems = [
        f"{name} is {options[name]}, must be {value}{why}: 'inspector topics create' sets it"
        for name, (value, why) in wanted.items()
        if options[name] != value
    ]
    if int(options[SIZE]) < settings.max_message_bytes:
        problems.append(
            f"{SIZE} is {options[SIZE]}, max_record_bytes needs {settings.max_message_bytes}: "
            "'inspector topics create' sets it"
        )
    return problems


def _is_control(topic: str) -> bool:
    return topic.endswith(f".{CONTROL_KIND}")


def _mend(admin: KafkaAdminClient, settings: KafkaSettings, topic: str, count: int, plan: TopicPlan) -> str:
    options = {name: value for name, (value, _) in _WANTED.items()} | {SIZE: str(settings.max_message_bytes)}
    if _is_control(topic):
        options |= _COMPACTED
        plan = replace(plan, partitions=1)
    elif plan.retention_hours is not None:
        options[RETENTION] = str(int(plan.retention_hours * 3_600_000))
    if not count:
        made = {"num_partitions": plan.partitions, "replication_factor": plan.replication, "configs": options}
        admin.create_topics({topic: made}, wait_for_metadata=True)
        return f"{topic}: created with {plan.partitions} {'partition' if plan.partitions == 1 else 'partitions'}"
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, options)])
    if count < plan.partitions:
        admin.create_partitions({topic: plan.partitions})
        return f"{topic}: {count} partitions became {plan.partitions}; stations may have moved to other partitions"
    if count > plan.partitions:
        return f"{topic}: has {count} partitions, more than {plan.partitions}; Kafka cannot take any away"
    return f"{topic}: was there"
