"""Canaries: anomalies of known kind put into a shadow copy of the live stream, to see how many the champion catches."""
