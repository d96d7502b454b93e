"""The log on Apache Kafka: input by consumer group, output by transactions."""

from streams.kafka.client import quiet_client_logs
from streams.kafka.log import KafkaLog
from streams.kafka.settings import KafkaSecurity, KafkaSettings
from streams.kafka.topics import TopicPlan, check_topics, create_topics

__all__ = [
    "KafkaLog",
    "KafkaSecurity",
    "KafkaSettings",
    "TopicPlan",
    "check_topics",
    "create_topics",
    "quiet_client_logs",
]
