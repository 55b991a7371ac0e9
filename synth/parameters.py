"""A network's parameters as named arrays, and back."""

import numpy as np
import torch

from detectors.base import Tensors
from detectors.errors import IncompatibleArtifactError


def parameters_of(model: torch.nn.Module) -> Tensors:
    """Every parameter as an array on the CPU."""
    return {name: value.detach().cpu().numpy() for name, value in model.named_parameters()}


def load_parameters(model: torch.nn.Module, tensors: Tensors) -> None:
    """Put saved parameters into a model built alike. Raises IncompatibleArtifactError where they do not fit."""
    try:
        model.load_state_dict({name: torch.tensor(np.asarray(value)) for name, value in tensors.items()}, strict=True)
    except RuntimeError as error:
        raise IncompatibleArtifactError(f"weights.safetensors does not fit document.json: {error}") from error
