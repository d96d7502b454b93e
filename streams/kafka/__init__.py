"""The log on Apache Kafka: input by consumer group, output by transactions."""
