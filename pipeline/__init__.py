"""The service: moves events from Kafka through detectors to alerts, and keeps the archive."""
