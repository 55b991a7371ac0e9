"""Synthetic data as a service: sources, generators' files, datasets with their manifests, who may see them."""
