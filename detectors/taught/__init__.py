"""A blend that is also taught by labelled anomalies."""
