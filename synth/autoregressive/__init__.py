"""The autoregressive generator: each column drawn in the light of those before it, in any order."""
