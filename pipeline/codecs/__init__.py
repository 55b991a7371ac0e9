"""Codecs: bytes to record batches and dead letters, and back."""
