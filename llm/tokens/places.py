"""Who is taken through a layer: the places that a layer has, and the tokens that stand in them.

A layer has as many places as can be told from the shape of its input, so that nothing waits for the device, and the
forward pass can be compiled and captured in a CUDA graph. A place in which no buyer stands is filled up with another
token, whose result is dropped.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from walras.llm.errors import CouplingError

__all__ = [
    "Count",
    "Places",
    "Queue",
    "first_come",
    "highest_bids",
    "limits",
    "most_places",
    "whole_part",
    "whole_parts",
]

# As in the engine's step demand: what sums to the supply up to rounding fits.
_TOLERANCE = 1e-12
# A pass over so few tokens has a place for each: no bound on their number is worth its while.
_ALWAYS = 64


class Places(NamedTuple):
    """The tokens that are taken through a layer.

    Attributes
    ----------
    inside
        Their positions, each once; shape (sequences, places).
    bought
        Which of them buy, the others fill up; shape (sequences, places). None where all do.
    """

    inside: Tensor
    bought: Tensor | None

    @property
    def number(self) -> int:
        """Places of each sequence."""
        return self.inside.shape[1]

    def buyers(self, tokens: int) -> Tensor:
        """Say which tokens buy, shape (sequences, tokens)."""
        bought = torch.ones_like(self.inside, dtype=torch.bool) if self.bought is None else self.bought
        nobody = torch.zeros((len(bought), tokens), dtype=torch.bool, device=bought.device)
        return nobody.scatter(1, self.inside, bought)


def whole_part(capacity: float, tokens: int) -> int:
    """How many whole tokens a capacity, a fraction of their number, serves."""
    return math.floor(capacity * tokens * (1.0 + _TOLERANCE))


def whole_parts(capacity: float, tokens: Tensor) -> Tensor:
    """Give the same for a tensor of numbers."""
    return (capacity * tokens.double() * (1.0 + _TOLERANCE)).floor().long()


def highest_bids(bids: Tensor, places: int, sold: Tensor | None = None) -> tuple[Places, Tensor]:
    """Serve the highest bids of each sequence, equal ones in the order of the text.

    Parameters
    ----------
    bids
        Shape (sequences, tokens); -inf for padding.
    places
        Of each sequence, at least 1.
    sold
        How many of the places are for sale, shape (sequences, 1); None for all.

    Returns
    -------
    places
        In descending order of bid.
    ranked
        The bids in them, shape (sequences, places). What is not a number stands first.
    """
    ranked, order = bids.sort(dim=-1, descending=True, stable=True)
    ranked, inside = ranked[:, :places], order[:, :places]
    bought = None if sold is None else torch.arange(places, device=bids.device) < sold
    return Places(inside, bought), ranked


def limits(real: Tensor, room: float) -> Tensor:
    """How many of a sequence's first tokens may buy, `min(t, max(64, ceil(room t)))`; shape (sequences, tokens).

    It grows by one at most from token to token, and does not depend on what comes later.
    """
    number = real.cumsum(-1)
    return torch.minimum(number, (room * number.double() * (1.0 - _TOLERANCE)).ceil().long().clamp(min=_ALWAYS))


def most_places(room: float, tokens: int) -> int:
    """Give the last of the `limits` of a sequence without padding."""
    return min(tokens, max(_ALWAYS, math.ceil(room * tokens * (1.0 - _TOLERANCE))))


def first_come(wanted: Tensor, limit: Tensor | None) -> "Queue":
    """Let those who want to buy do so in the order of the text.

    Parameters
    ----------
    wanted
        Whether each token bids the price, shape (sequences, tokens).
    limit
        Of `limits`; None to serve all who want to.

    Notes
    -----
    With W_t tokens of the first t that want to, and at most f(t) that may, B_t = min(B_{t-1} + w_t, f(t)) of them buy,
    since f grows by one at most. Written out, B_t = W_t + min(0, min_{s <= t} (f(s) - W_s)).
    """
    sold = wanted.cumsum(-1)
    if limit is not None:
        sold = sold + (limit - sold).cummin(-1).values.clamp(max=0)
        wanted = sold > torch.nn.functional.pad(sold[:, :-1], (1, 0))
    return Queue(wanted, sold)


class Queue(NamedTuple):
    """Buyers at a posted price: who buys, and how many of the first tokens do; both of shape (sequences, tokens)."""

    bought: Tensor
    sold: Tensor

    def order(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Put buyers first, each group in the order of the text.

        Parameters
        ----------
        positions
            0, 1, ..., one for each token.

        Returns
        -------
        order
            Positions, shape (sequences, tokens).
        ranks
            Where each token stands in it, likewise: the inverse.
        """
        ranks = torch.where(self.bought, self.sold - 1, self.sold[:, -1:] + positions - self.sold)
        return torch.empty_like(ranks).scatter_(1, ranks, positions.expand_as(ranks)), ranks

    def places(self, order: Tensor, positions: Tensor, number: int) -> Places:
        """Give so many places to the first of an order."""
        return Places(order[:, :number], positions[:number] < self.sold[:, -1:])


class Count:
    """The most buyers of any sequence, on its way to the host.

    The device goes on with what it is given before the number is asked for.
    """

    def __init__(self, queue: Queue) -> None:
        most = queue.sold[:, -1].amax()
        self._copied: torch.cuda.Event | None = None
        if most.is_cuda and not torch.compiler.is_compiling():
            if torch.cuda.is_current_stream_capturing():
                raise CouplingError(
                    "How many tokens buy at a posted price is not known before they bid, and a CUDA graph cannot wait "
                    "for it: give the layers a fixed number of places, TokenConfig(room=...)."
                )
            here = torch.empty((), dtype=most.dtype, pin_memory=True)
            most = here.copy_(most, non_blocking=True)
            self._copied = torch.cuda.Event()
            self._copied.record()
        self._most = most

    def wait(self) -> int:
        """Give it."""
        if self._copied is not None:
            self._copied.synchronize()
        return int(self._most)
