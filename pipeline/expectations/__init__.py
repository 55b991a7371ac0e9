"""Data quality: what is expected of a stream, whether windows and datasets meet it, and how far they drifted."""
