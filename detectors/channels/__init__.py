"""Channels: how one Arrow column becomes tensors and comes back, one file per way values behave."""
