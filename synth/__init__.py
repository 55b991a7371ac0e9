"""Generators of synthetic data. Arrow tables in, Arrow tables out; knows neither Kafka nor the catalogue."""
