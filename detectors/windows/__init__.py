"""Per-key sliding windows of a stream's metrics, and the detectors that score rows from them."""
