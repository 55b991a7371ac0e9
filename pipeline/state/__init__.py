"""Keyed state: what events are scored together with, one state a partition, exact through every crash."""
