"""Creates and checks the topics of lines: their existence, partition counts and options."""

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
_REQUIRED = {
    STAMP: ("LogAppendTime", ", because pieces are timed by the log's clock"),
    COMPRESSION: (
        "uncompressed",
        ", so that brokers unpack compressed batches and refuse those that are too large",
    ),
}
_REQUIRED_OF_CONTROL = {CLEANUP: ("compact", " alone, else Kafka deletes the record of deployments")}
"""Value of an option, and why it is needed."""
_COMPACTED = {CLEANUP: "compact", "segment.ms": str(6 * 3_600_000)}
"""Kafka never compacts the active segment: without new ones, heartbeats would pile up for a week."""


@dataclass(frozen=True, slots=True)
class Described:
    """A topic as the cluster describes it; one that is recreated gets another id."""

    topic_id: str | None
    num_partitions: int


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """Options of new topics."""

    partitions: int = 4
    replication: int = 1
    retention_hours: float | None = None
    """None keeps the broker's default."""


def create_topics(settings: KafkaSettings, prefix: str, lines: Sequence[str], plan: TopicPlan) -> list[str]:
    """Creates missing topics, adds missing partitions, sets the options; returns a line per topic.

    Raises LogError when the cluster refuses, and TopicsError, once all else is done, where partition counts stay
    unequal: Kafka cannot remove partitions.
    """
    with closing(open_admin(settings)) as admin:
        counts = _partition_counts(admin, prefix, lines)
        try:
            done = [_create_or_update(admin, settings, topic, count, plan) for topic, count in counts.items()]
        except kafka_errors.KafkaError as exc:
            raise LogError(
                f"Kafka refuses to create or change the topics: {type(exc).__name__}: {exc}: check this user's rights"
            ) from exc
    unmended = _count_problems({topic: max(count, plan.partitions) for topic, count in counts.items()}, prefix, lines)
    if unmended:
        raise TopicsError("\n".join([*done, *unmended]))
    return done


def check_topics(settings: KafkaSettings, prefix: str, lines: Sequence[str]) -> list[str]:
    """The problems of the topics, one line each; empty without problems."""
    with closing(open_admin(settings)) as admin:
        counts = _partition_counts(admin, prefix, lines)
        problems = _count_problems(counts, prefix, lines)
        present = [topic for topic, count in counts.items() if count]
        options = _options(admin, present)
    return problems + [problem for topic in present for problem in _option_problems(settings, topic, options[topic])]


def require_topics(settings: KafkaSettings, prefix: str, lines: Sequence[str]) -> None:
    """Raises TopicsError unless every line has all its topics with equal partition counts, stamped by the log.

    Logs other problems of their options.
    """
    with closing(open_admin(settings)) as admin:
        counts = _partition_counts(admin, prefix, lines)
        problems = _count_problems(counts, prefix, lines)
        options = {} if problems else _options(admin, list(counts))
    by_problem: dict[str, list[str]] = {}
    for topic, values in options.items():
        for problem in _problems(settings, topic, values):
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
    """The names that are not topics of the cluster."""
    with closing(open_admin(settings)) as admin:
        return [name for name, topic in describe_topics(admin, names).items() if not topic.num_partitions]


def describe_topics(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, Described]:
    """Describes topics; missing ones have no partitions."""
    topics = {
        answer["name"]: Described(answer["topic_id"], len(answer["partitions"]))
        for answer in admin.describe_topics(names)
    }
    return {name: topics.get(name, Described(None, 0)) for name in names}


def layout_problem(topics: Topics, counts: Mapping[str, int]) -> str:
    """The missing topics or unequal partition counts of one line, and the remedy; empty without a problem."""
    missing = [topic for topic, count in counts.items() if not count]
    sisters = {topic: counts[topic] for topic in topics.sisters if counts[topic]}
    words = [f"{', '.join(missing)} missing: create them with 'inspector topics create'"] if missing else []
    if len(set(sisters.values())) > 1:
        words.append(_unequal(sisters))
    return "; ".join(words)


def _unequal(sisters: Mapping[str, int]) -> str:
    listed = ", ".join(f"{topic} has {count}" for topic, count in sisters.items())
    return (
        f"unequal partition counts send the records of a station to different workers ({listed}): make them equal with "
        f"'inspector topics create --partitions {max(sisters.values())}' while no producer writes"
    )


def _partition_counts(admin: KafkaAdminClient, prefix: str, lines: Sequence[str]) -> Mapping[str, int]:
    """Partitions per topic; 0 for a topic that is missing."""
    names = [topic for line in lines for topic in Topics(prefix, line).all]
    return {name: topic.num_partitions for name, topic in describe_topics(admin, names).items()}


def _count_problems(counts: Mapping[str, int], prefix: str, lines: Sequence[str]) -> list[str]:
    problems = []
    for topics in (Topics(prefix, line) for line in lines):
        problems.append(layout_problem(topics, {topic: counts[topic] for topic in topics.all}))
    return [problem for problem in problems if problem]


def _options(admin: KafkaAdminClient, topics: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    if not topics:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
    answer = admin.describe_configs(resources, config_filter="all")["topic"]
    return {topic: {name: str(option["value"]) for name, option in answer[topic].items()} for topic in topics}


def _option_problems(settings: KafkaSettings, topic: str, options: Mapping[str, str]) -> list[str]:
    return [f"{topic}: {problem}" for problem in _problems(settings, topic, options)]


def _problems(settings: KafkaSettings, topic: str, options: Mapping[str, str]) -> list[str]:
    """The problems of a topic's options, each with its remedy; every sentence begins with the option's name."""
    if STAMP not in options:
        return ["its options cannot be read and are not checked: give this user the right DescribeConfigs"]
    required = _REQUIRED | _REQUIRED_OF_CONTROL if _is_control(topic) else _REQUIRED
    problems = [
        f"{name} is {options[name]}, must be {value}{reason}: 'inspector topics create' sets it"
        for name, (value, reason) in required.items()
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


def _create_or_update(admin: KafkaAdminClient, settings: KafkaSettings, topic: str, count: int, plan: TopicPlan) -> str:
    options = {name: value for name, (value, _) in _REQUIRED.items()} | {SIZE: str(settings.max_message_bytes)}
    if _is_control(topic):
        options |= _COMPACTED
        plan = replace(plan, partitions=1)
    elif plan.retention_hours is not None:
        options[RETENTION] = str(int(plan.retention_hours * 3_600_000))
    if not count:
        topic_options = {"num_partitions": plan.partitions, "replication_factor": plan.replication, "configs": options}
        admin.create_topics({topic: topic_options}, wait_for_metadata=True)
        return f"{topic}: created with {plan.partitions} {'partition' if plan.partitions == 1 else 'partitions'}"
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, options)])
    if count < plan.partitions:
        admin.create_partitions({topic: plan.partitions})
        return (
            f"{topic}: has {plan.partitions} partitions now, had {count}; stations may have moved to other partitions"
        )
    if count > plan.partitions:
        return f"{topic}: has {count} partitions, more than {plan.partitions}; Kafka cannot remove partitions"
    return f"{topic}: exists, its options are set"
