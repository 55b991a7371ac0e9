"""Public detectors that ours are measured beside, in a Python environment of their own."""
