"""The conditional GAN: an autoregressive network that a critic teaches in place of a likelihood."""
