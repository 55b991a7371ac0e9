"""One small file per command group: options, progress and messages; no logic."""
