"""The default adapter: the port in pure Python, on kafka-python. Nothing else in the project imports that client."""

from pipeline.kafka.kafka_python.broker import KafkaPythonBroker

__all__ = ["KafkaPythonBroker"]
