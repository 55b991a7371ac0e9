"""Runs jobs by itself: one leader by a lease, every fire of a schedule once, each run in a child process."""
