"""The one training loop: seeded, trimmed, early-stopped on held-out loss, within a time budget.

Training rows are contaminated by nature. Each step drops the worst rows of its batch before averaging (least
trimmed loss, as in Rousseeuw's least trimmed squares, 1984), and so does the held-out loss that decides when to
stop. Fails where anomalies are more than the trimmed share and alike: they are then what is normal.

Shape legend: N training rows, B rows of a batch, M members of an ensemble trained side by side.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from detectors.base import Progress

RowLoss = Callable[[Tensor, torch.Generator], Tensor]
"""From row numbers (B,) and a noise source to each row's loss under each member, (M, B)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long and how to train."""

    steps: int = 400
    batch_rows: int = 512
    learning_rate: float = 5e-3
    """At the start; it falls to 0 along half a cosine."""
    trim_share: float = 0.1
    """Share of each batch's worst rows left out."""
    held_out_share: float = 0.1
    held_out_rows: int = 4_096
    """At most."""
    check_every: int = 25
    """Steps between looks at the held-out loss, the clock and the progress callback."""
    patience: int = 6
    """Looks without a better held-out loss before stopping."""
    time_budget_seconds: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """How a training went."""

    steps: int
    epochs: int
    held_out_nats: float
    """Trimmed mean loss of the rows held out, at the best look."""
    first_nats: float
    """The same before the first step."""
    stopped_because: str


def trimmed_mean(loss_MB: Tensor, trim_share: float) -> Tensor:
    """Mean over the rows left after dropping each member's worst share, then over members; shape ()."""
    keep = max(1, loss_MB.shape[1] - int(trim_share * loss_MB.shape[1]))
    return loss_MB.topk(keep, dim=1, largest=False, sorted=False).values.mean()


def train(
    module: nn.Module,
    row_loss: RowLoss,
    rows: int,
    *,
    schedule: Schedule,
    seed: int,
    device: str = "cpu",
    progress: Progress | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> TrainingRun:
    """Fit `module` in place with Adam and leave it at its best look.

    Row numbers are drawn from a generator on the CPU, noise from one on `device`; nothing global is seeded or read. On
    a CPU one thread computes: with several, sums are split differently from run to run, and the same seed would give
    another model. The models are small enough that more threads gain little.
    """
    with one_thread(device):
        return _train(module, row_loss, rows, schedule, seed, device, progress, monotonic)


@contextmanager
def one_thread(device: str) -> Iterator[None]:
    """One CPU thread while the block runs: sums are then added in one order, whatever the machine."""
    threads = torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _train(
    module: nn.Module,
    row_loss: RowLoss,
    rows: int,
    schedule: Schedule,
    seed: int,
    device: str,
    progress: Progress | None,
    monotonic: Callable[[], float],
) -> TrainingRun:
    picks = torch.Generator().manual_seed(seed)
    noise = torch.Generator(device=device).manual_seed(seed)
    held_out, kept = _split(rows, schedule, picks)
    optimiser = torch.optim.Adam(module.parameters(), lr=schedule.learning_rate, fused=True)
    watch = _Watch(module, row_loss, held_out.to(device), schedule, seed, device, monotonic)
    for step in range(schedule.steps + 1):
        if step % schedule.check_every == 0 or step == schedule.steps:
            if progress is not None:
                progress(step / schedule.steps, f"{watch.look():.3f} nats a row, held out")
            else:
                watch.look()
            if watch.reason or step == schedule.steps:
                break
        for group in optimiser.param_groups:
            group["lr"] = schedule.learning_rate * 0.5 * (1.0 + math.cos(math.pi * step / schedule.steps))
        at = kept[torch.randint(len(kept), (schedule.batch_rows,), generator=picks)].to(device)
        optimiser.zero_grad(set_to_none=True)
        trimmed_mean(row_loss(at, noise), schedule.trim_share).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    watch.restore_best()
    if progress is not None:
        progress(1.0, watch.reason or "all steps done")
    return TrainingRun(
        steps=step,
        epochs=math.ceil(step * schedule.batch_rows / max(1, len(kept))),
        held_out_nats=watch.best,
        first_nats=watch.first,
        stopped_because=watch.reason or "all steps done",
    )


def _split(rows: int, schedule: Schedule, picks: torch.Generator) -> tuple[Tensor, Tensor]:
    """Row numbers held out and trained on; with a handful of rows both are all of them."""
    order = torch.randperm(rows, generator=picks)
    count = min(int(rows * schedule.held_out_share), schedule.held_out_rows)
    return (order, order) if count < 8 else (order[:count], order[count:])


class _Watch:
    """The held-out loss over time: the best weights seen, and when to stop."""

    def __init__(
        self,
        module: nn.Module,
        row_loss: RowLoss,
        held_out: Tensor,
        schedule: Schedule,
        seed: int,
        device: str,
        monotonic: Callable[[], float],
    ) -> None:
        self.module, self.row_loss, self.held_out, self.schedule = module, row_loss, held_out, schedule
        self.seed, self.device, self.monotonic = seed, device, monotonic
        self.deadline = monotonic() + schedule.time_budget_seconds
        self.best, self.first, self.reason = math.inf, math.inf, ""
        self._since_best = 0
        self._weights: dict[str, Tensor] = {}

    def look(self) -> float:
        """Measure (always under the same noise), remember the best weights, set `reason` where it is time to stop."""
        noise = torch.Generator(device=self.device).manual_seed(self.seed)
        with torch.no_grad():
            nats = float(trimmed_mean(self.row_loss(self.held_out, noise), self.schedule.trim_share))
        if not self._weights:
            self.first = nats
        if nats < self.best or not self._weights:
            self.best, self._since_best = nats, 0
            self._weights = {name: value.detach().clone() for name, value in self.module.state_dict().items()}
        else:
            self._since_best += 1
        if self._since_best >= self.schedule.patience:
            self.reason = "held-out loss no longer falls"
        elif self.monotonic() >= self.deadline:
            self.reason = "time budget spent"
        return nats

    def restore_best(self) -> None:
        self.module.load_state_dict(self._weights)
