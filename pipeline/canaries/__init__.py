"""Synthetic anomalies of known kind in a shadow copy of the live stream."""
