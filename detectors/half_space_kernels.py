"""Loops of half-space trees: growing, counting and seeking. Node n's children are 2n + 1 and 2n + 2.

Shape legend: B rows, D columns, T trees, I inner nodes (2^depth − 1), N nodes of one tree (2^(depth + 1) − 1).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.compiled import compiled

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Places = npt.NDArray[Any]


@compiled
def grow(low_TD: Floats, high_TD: Floats, column_TI: Places, threshold_TI: Singles) -> None:
    """Write the middle of each inner node's working range of its column. Ranges are followed from the root down."""
    for t in range(column_TI.shape[0]):
        for node in range(column_TI.shape[1]):
            column = column_TI[t, node]
            low, high = low_TD[t, column], high_TD[t, column]
            # the range is that of the last ancestor which halved this column: walk up, keeping what binds
            child = node
            while child > 0:
                parent = (child - 1) // 2
                if column_TI[t, parent] == column:
                    if child == 2 * parent + 1:
                        high = min(high, threshold_TI[t, parent])
                    else:
                        low = max(low, threshold_TI[t, parent])
                child = parent
            threshold_TI[t, node] = 0.5 * (low + high)


@compiled
def add_mass(x_BD: Singles, column_TI: Places, threshold_TI: Singles, mass_TN: Singles) -> None:
    """Add one to every node that each row passes, leaves included."""
    inner = column_TI.shape[1]
    for t in range(column_TI.shape[0]):
        for b in range(x_BD.shape[0]):
            node = 0
            mass_TN[t, 0] += 1
            while node < inner:
                node = 2 * node + (1 if x_BD[b, column_TI[t, node]] < threshold_TI[t, node] else 2)
                mass_TN[t, node] += 1


@compiled
def sum_nats(
    x_BD: Singles,
    column_TI: Places,
    threshold_TI: Singles,
    mass_TN: Singles,
    least_mass: float,
    added_mass: float,
    nats_B: Floats,
) -> None:
    """Add each row's mean over trees of −log(mass · 2^depth / the root's mass) where it stops."""
    trees, inner = column_TI.shape
    for b in range(x_BD.shape[0]):
        for t in range(trees):
            node, depth = 0, 0
            while node < inner and mass_TN[t, node] > least_mass:
                node = 2 * node + (1 if x_BD[b, column_TI[t, node]] < threshold_TI[t, node] else 2)
                depth += 1
            density = (mass_TN[t, node] + added_mass) / (mass_TN[t, 0] + added_mass)
            nats_B[b] -= (np.log(density) + depth * np.log(2.0)) / trees


@compiled
def credit_steps(
    x_BD: Singles,
    column_TI: Places,
    threshold_TI: Singles,
    mass_TN: Singles,
    least_mass: float,
    added_mass: float,
    credit_BD: Floats,
) -> None:
    """Add what each step down costs to the column that it halves; a row's sum is its `sum_nats`."""
    trees, inner = column_TI.shape
    for b in range(x_BD.shape[0]):
        for t in range(trees):
            node = 0
            while node < inner and mass_TN[t, node] > least_mass:
                column = column_TI[t, node]
                child = 2 * node + (1 if x_BD[b, column] < threshold_TI[t, node] else 2)
                share = (mass_TN[t, child] + added_mass) / (mass_TN[t, node] + added_mass)
                credit_BD[b, column] -= (np.log(share) + np.log(2.0)) / trees
                node = child
