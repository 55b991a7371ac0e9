"""Writes alerts down in the catalogue, each once, with the offsets they were read up to in the same transaction."""

from pipeline.alerts.record.recorder import Recorder, RecorderState, group_name

__all__ = ["Recorder", "RecorderState", "group_name"]
