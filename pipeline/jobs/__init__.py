"""Jobs that read the archive: train, backtest."""
