"""Benchmarks: each prints one table, its limit or its peers measured in the same run. `python -m bench --help`."""
