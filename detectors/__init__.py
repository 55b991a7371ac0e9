"""Detectors: score rows of Arrow tables; high is anomalous; a detector scores, a threshold decides."""
