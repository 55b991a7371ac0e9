"""The training loop of generators: seeded step by step, so that a resumed run ends where it would have ended.

AdamW with a cosine, an exponential moving average of the weights, and an early stop by the averaged weights' loss on
rows held out. Every step draws its rows and noise from generators seeded by (seed, step): nothing but weights, moments
and the step has to be kept. The time budget alone is not repeatable, and a run that it stopped says so.

Shape legend: N rows, B rows of a batch.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from detectors.training import one_thread
from synth.base import Checkpoint, Progress

BatchLoss = Callable[[Tensor, torch.Generator], Tensor]
"""From row numbers (B,) and a noise source (on the device) to the loss to be minimised, ()."""
HeldOutLoss = Callable[[Tensor], float]
"""Nats a row of the rows named, without dropout, by the weights now in the module."""
SAVE_SECONDS = 15.0
TIMED_STEPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long and how to train."""

    steps: int
    batch_rows: int
    learning_rate: float
    multiples: tuple[tuple[str, float], ...] = ()
    """Parameters whose names begin so learn at this multiple of the rate."""
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 5.0
    """Greatest norm of a step's gradient."""
    average: float = 0.998
    """Of the moving average, a step."""
    check_every: int = 100
    patience: int = 4
    """Looks without a better held-out loss before stopping."""
    time_budget_seconds: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a training went."""

    steps: int
    epochs: float
    held_out_nats: float
    first_nats: float
    stopped_because: str
    resumed: bool


def held_out_split(rows: int, seed: int, *, share: float = 0.1, most: int = 5_000) -> tuple[Tensor, Tensor]:
    """Row numbers held out and trained on; with a handful of rows both are all of them."""
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))
    count = min(int(rows * share), most)
    return (order, order) if count < 8 else (order[:count], order[count:])


def train(
    module: nn.Module, loss: BatchLoss, held_out: HeldOutLoss, rows: int, *, schedule: Schedule, seed: int, device: str,
    progress: Progress | None = None, checkpoint: Checkpoint | None = None, unit: str = "nats a row, held out",
    monotonic: Callable[[], float] = time.monotonic,
) -> Run:  # fmt: skip
    """Fit `module` in place and leave it at the best averaged weights; `unit` is what the held-out figure is in."""
    with one_thread(device):
        return _Training(
            module, loss, held_out, rows, schedule, seed, device, progress, checkpoint, unit, monotonic
        ).run()


class _Training:
    """One run: what a checkpoint holds are its fields."""

    def __init__(
        self, module: nn.Module, loss: BatchLoss, held_out: HeldOutLoss, rows: int, schedule: Schedule, seed: int,
        device: str, progress: Progress | None, checkpoint: Checkpoint | None, unit: str,
        monotonic: Callable[[], float],
    ) -> None:  # fmt: skip
        self.module, self.loss, self.held_out, self.schedule = module, loss, held_out, schedule
        self.seed, self.device, self.monotonic = seed, device, monotonic
        self.progress, self.checkpoint, self.unit = progress, checkpoint, unit
        self.out, self.kept = held_out_split(rows, seed)
        self.parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self.optimiser = torch.optim.AdamW(
            [
                {
                    "params": [p for name, p in self.parameters.items() if self._multiple(name) == multiple],
                    "at": multiple,
                }
                for multiple in {self._multiple(name): None for name in self.parameters}
            ],
            lr=schedule.learning_rate,
            betas=schedule.betas,
            weight_decay=schedule.weight_decay,
            fused=True,
        )
        self.average = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.best = {name: p.clone() for name, p in self.average.items()}
        self.step, self.best_nats, self.first_nats, self.since_best = 0, math.inf, math.inf, 0
        self.resumed, self.reason = False, ""
        self.looked = -1
        """The step that was last looked at: a resumed run does not look at it again."""

    def _multiple(self, name: str) -> float:
        return next((by for start, by in self.schedule.multiples if name.startswith(start)), 1.0)

    def run(self) -> Run:
        self._resume()
        started = self.saved = self.monotonic()
        first = self.step
        while not self.reason:
            due = self.step % self.schedule.check_every == 0 or self.step >= self.schedule.steps
            if due and self.step != self.looked:
                self._look(started, first)
            if self.step >= self.schedule.steps or self.reason:
                break
            self._advance()
            if self.step == first + TIMED_STEPS and self.progress is not None:
                left = (self.monotonic() - started) / TIMED_STEPS * (self.schedule.steps - self.step)
                self.progress(self.step / self.schedule.steps, f"at most {_duration(left)} to go")
        self._restore_best()
        if self.checkpoint is not None:
            self.checkpoint.clear()
        return Run(
            steps=self.step,
            epochs=round(self.step * self.schedule.batch_rows / max(1, len(self.kept)), 2),
            held_out_nats=self.best_nats,
            first_nats=self.first_nats,
            stopped_because=self.reason or "all steps done",
            resumed=self.resumed,
        )

    def _advance(self) -> None:
        schedule, step = self.schedule, self.step
        picks = torch.Generator().manual_seed(_step_seed(self.seed, step, 0))
        noise = torch.Generator(device=self.device).manual_seed(_step_seed(self.seed, step, 1))
        warm = min(1.0, (step + 1) / 50)
        fallen = 0.5 * (1.0 + math.cos(math.pi * step / schedule.steps))
        for group in self.optimiser.param_groups:
            group["lr"] = group["at"] * warm * schedule.learning_rate * fallen
        at = self.kept[torch.randint(len(self.kept), (schedule.batch_rows,), generator=picks)].to(self.device)
        self.optimiser.zero_grad(set_to_none=True)
        self.loss(at, noise).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters.values(), self.schedule.clip)
        self.optimiser.step()
        self.step += 1
        decay = min(schedule.average, self.step / (self.step + 10.0))
        values = [p.detach() for p in self.parameters.values()]
        torch._foreach_lerp_(list(self.average.values()), values, 1.0 - decay)

    def _look(self, started: float, first: int) -> None:
        """The held-out loss of the averaged weights; remember the best, save, and say when to stop."""
        nats, self.looked = self._averaged_nats(), self.step
        if self.step == 0:
            self.first_nats = nats
        if nats < self.best_nats:
            self.best_nats, self.since_best = nats, 0
            self.best = {name: p.clone() for name, p in self.average.items()}
        else:
            self.since_best += 1
        now = self.monotonic()
        if self.since_best >= self.schedule.patience:
            self.reason = "held-out loss no longer falls"
        elif now - started >= self.schedule.time_budget_seconds and self.step < self.schedule.steps:
            self.reason = "time budget spent"
        if self.progress is not None:
            pace = (now - started) / max(1, self.step - first)
            left = f", at most {_duration(pace * (self.schedule.steps - self.step))} to go" if self.step > first else ""
            self.progress(self.step / self.schedule.steps, f"{nats:.3f} {self.unit}{left}")
        if self.checkpoint is not None and self.step and now - self.saved >= SAVE_SECONDS and not self.reason:
            self.checkpoint.save(*self._state())
            self.saved = now

    def _averaged_nats(self) -> float:
        trained = {name: p.detach().clone() for name, p in self.parameters.items()}
        self._put(self.average)
        with torch.no_grad():
            nats = self.held_out(self.out.to(self.device))
        self._put(trained)
        return nats

    @torch.no_grad()
    def _put(self, values: dict[str, Tensor]) -> None:
        for name, p in self.parameters.items():
            p.copy_(values[name])

    def _restore_best(self) -> None:
        self._put(self.best)

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        tensors: dict[str, Any] = {}
        for name, p in self.parameters.items():
            moments = self.optimiser.state[p]
            parts = {
                "weight": p, "average": self.average[name], "best": self.best[name], "mean": moments["exp_avg"],
                "square": moments["exp_avg_sq"],
            }  # fmt: skip
            tensors |= {f"{part}/{name}": value.detach().cpu().numpy() for part, value in parts.items()}
        numbers = {"step": self.step, "best_nats": self.best_nats, "first_nats": self.first_nats}
        return tensors, {**numbers, "since_best": self.since_best, "seed": self.seed}

    def _resume(self) -> None:
        found = self.checkpoint.load() if self.checkpoint is not None else None
        if found is None:
            return
        tensors, document = found
        for name, p in self.parameters.items():
            read = {part: torch.from_numpy(np.array(tensors[f"{part}/{name}"])).to(p.device) for part in _PARTS}
            with torch.no_grad():
                p.copy_(read["weight"])
            self.average[name], self.best[name] = read["average"], read["best"]
            step = torch.tensor(float(document["step"]), device=p.device)
            self.optimiser.state[p] = {"step": step, "exp_avg": read["mean"], "exp_avg_sq": read["square"]}
        self.step = self.looked = document["step"]
        self.best_nats = document["best_nats"]
        self.first_nats, self.since_best, self.resumed = document["first_nats"], document["since_best"], True


_PARTS = ("weight", "average", "best", "mean", "square")


def _step_seed(seed: int, step: int, purpose: int) -> int:
    """A seed for one step and one purpose."""
    return int(np.random.SeedSequence([seed & 0xFFFFFFFF, step, purpose]).generate_state(1, np.uint64)[0] >> 1)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"
