"""The variational autoencoder as a generator: fast to draw from, with a learned prior."""
