"""Every generator keeps every promise of the contract, at settings small enough for a test."""

from collections.abc import Callable
from typing import Any

import pytest

from synth.autoregressive import generator as autoregressive
from synth.base import Generator
from synth.contract import PROMISES, Case
from synth.gan import generator as gan
from synth.registry import GENERATORS, generator_class
from synth.vae import generator as vae

SMALL: dict[str, Any] = {
    "autoregressive": autoregressive.Config(width=32, hidden=32, most_steps=120),
    "vae": vae.Config(width=32, latent=4, most_steps=120),
    "gan": gan.Config(width=32, hidden=32, critic_hidden=32, most_steps=40, check_every=20),
}


def maker(name: str) -> Callable[[], Generator]:
    chosen = generator_class(name)
    settings = {"config": SMALL[name]} if name in SMALL else {}
    return lambda: chosen(seed=3, **settings)


CASES = {generator.name: Case(maker(generator.name)) for generator in GENERATORS}


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("name", list(CASES))
def test_it_keeps(name: str, promise: Callable[[Case], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synth.training.SAVE_SECONDS", 0.0)
    promise(CASES[name])


def test_a_generator_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(KeyError, match="choose one of autoregressive"):
        generator_class("copula")
