"""The scorer: poll, decode, score, decide, then produce and commit in one transaction."""
