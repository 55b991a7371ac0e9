"""Window detectors on telemetry: mean VUS-PR, AUROC and average precision over keys, beside windowed PCA and peers.

Needs EDDYLINE_DATA; peers run where bench/peers has a Python for them. Ours are one model for all keys at their
defaults; every other method is a model a key with its best of several window lengths (window_methods.py).
"""

import os
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from bench.peers.runner import MISSING, Peers, peers
from bench.window_methods import MAX_BUFFER, Outcome, ours, peer_outcomes, windowed_pcas
from bench.window_sets import WindowSet, halves, jumpstarter, nab
from detectors.windows.window_pca import WindowPcaDetector
from detectors.windows.window_vae import WindowVaeDetector

QUICK_KEYS = 6
MOST_LOST_ROWS = 12
SETS = {"nab": nab, "jumpstarter": jumpstarter}


def run(console: Console, *, quick: bool = False) -> bool:
    """Print both sets. True where the window VAE's mean VUS-PR is above all others' on each."""
    torch.set_num_threads(1)
    folder = os.environ.get("EDDYLINE_DATA")
    if not folder:
        console.print("windows: needs the public sets in the folder that EDDYLINE_DATA names; left out")
        return True
    with peers() as others:
        if others is None:
            console.print(MISSING)
        reached = [run_set(console, make(Path(folder)), others, quick=quick) for make in SETS.values()]
    return all(reached)


def run_set(console: Console, data: WindowSet, others: Peers | None, *, quick: bool = False) -> bool:
    """Print one set: the keys that are lost first, then means. True where the window VAE's mean is the highest."""
    data = data.few(QUICK_KEYS) if quick else data
    outcomes = [ours(data, detector) for detector in (WindowVaeDetector(), WindowPcaDetector())]
    outcomes += windowed_pcas(data)
    outcomes += [] if others is None else peer_outcomes(data, others, console)
    console.print(_lost_table(data, outcomes))
    outcomes.sort(key=lambda outcome: -outcome.mean()[0])
    console.print(_means_table(data, outcomes))
    return outcomes[0].name == WindowVaeDetector.name


def _lost_table(data: WindowSet, outcomes: list[Outcome]) -> Table:
    """The keys where another method's VUS-PR is above the window VAE's, those lost by most first."""
    champion, *rivals = outcomes
    lost = []
    for key, figures in champion.figures.items():
        ahead = {o.name: o.figures[key][0] for o in rivals if o.figures[key][0] > figures[0]}
        if ahead:
            name = max(ahead, key=lambda n: ahead[n])
            lost.append((ahead[name] - figures[0], key, figures[0], ahead[name], name, len(ahead)))
    lost.sort(reverse=True)
    title = f"{data.name}: {len(lost)} of {len(champion.figures)} keys lost to the best of {len(rivals)} others"
    table = Table("key", "lost by", champion.name, "best", "by", "others ahead", title=title)
    for gap, key, mine, theirs, name, count in lost[:MOST_LOST_ROWS]:
        table.add_row(key, f"{gap:.3f}", f"{mine:.3f}", f"{theirs:.3f}", name, str(count))
    return table


def _means_table(data: WindowSet, outcomes: list[Outcome]) -> Table:
    chosen, others = halves(data.keys)
    columns = ("VUS-PR", "first half", "second half", "AUROC", "AP", "keys won", "fit s", "rows/s")
    title = f"{data.name}: means over {len(outcomes[0].figures)} keys with anomalies, buffers 0 to {MAX_BUFFER}"
    table = Table("method", *columns, title=title)
    won = [max(outcomes, key=lambda o: o.figures[key][0]).name for key in outcomes[0].figures]
    for o in outcomes:
        means = o.mean()
        vus = (means[0], o.mean(chosen)[0], o.mean(others)[0], means[1], means[2])
        costs = (f"{o.fit_seconds:,.0f}", f"{o.rows_per_second:,.0f}")
        table.add_row(o.name, *(f"{v:.3f}" for v in vus), str(won.count(o.name)), *costs)
    return table
