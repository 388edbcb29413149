"""Derivations that run: every line computed as it is written, in a small world, and the slips beside it.

`derive("reward-to-go")` is a derivation of the book in a random world; `NAMES` are all of them, in the book's order.
The rooms can be read as the derivations themselves: formula, reason and function stand side by side.
"""

from rlbook.derivations.lines import Derivation, derive
from rlbook.derivations.order import NAMES

__all__ = ["NAMES", "Derivation", "derive"]
