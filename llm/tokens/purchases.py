"""What a layer sold in one forward pass: shares in training, whole tokens in evaluation."""

from typing import NamedTuple, TypeAlias, final

import torch
from torch import Tensor

from walras.llm.tokens.places import Places

__all__ = ["Purchase", "SharePurchase", "WholePurchase"]


@final
class SharePurchase(NamedTuple):
    """Shares of a layer.

    Attributes
    ----------
    valuations
        Money per token's processing, shape (sequences, tokens); NaN where nobody was asked.
    shares
        Bought share of the processing, in [0, 1], shape (sequences, tokens); 0 for padding.
    price
        What it cleared at, shape (sequences,).
    """

    valuations: Tensor
    shares: Tensor
    price: Tensor

    @property
    def bought(self) -> Tensor:
        """Whether each token bought most of its processing, shape (sequences, tokens)."""
        # What is not a number counts as bought: a broken hidden state goes through the layer, as in the dense model.
        return ~(self.shares <= 0.5)

    def detached(self) -> "SharePurchase":
        """Give it without a graph."""
        return self._replace(shares=self.shares.detach())


@final
class WholePurchase(NamedTuple):
    """Whole tokens; what can be told from bids and places is told when it is asked for.

    Attributes
    ----------
    valuations
        Money per token's processing, shape (sequences, tokens); -inf for padding.
    taken
        Who is taken through the layer.
    posted
        The price that was posted, shape (); None where the market cleared in each sequence.
    offered
        How many were for sale, shape (sequences, 1), where tokens worth less than nothing stay out although there is
        room; None where all are sold.
    """

    valuations: Tensor
    taken: Places
    posted: Tensor | None
    offered: Tensor | None = None

    @property
    def bought(self) -> Tensor:
        """Whether each token is served, shape (sequences, tokens)."""
        return self.taken.buyers(self.valuations.shape[1])

    @property
    def shares(self) -> Tensor:
        """The same, as 0 and 1."""
        return self.bought.float()

    @property
    def price(self) -> Tensor:
        """What the market cleared at, or was posted at, shape (sequences,); NaN where nobody bids.

        The middle between the last bid that is served and the first that is not, as in the engine; 0 where tokens
        stayed out although there was room.
        """
        if self.posted is not None:
            return self.posted.expand(len(self.valuations))
        bids, bought = self.valuations.double(), self.bought
        served = torch.where(bought, bids, torch.inf).amin(-1)
        waiting = torch.where(bought, -torch.inf, bids).amax(-1)
        if self.offered is not None:
            waiting = waiting.clamp(min=0.0)
        price = torch.where(served.isinf(), waiting, torch.where(waiting.isinf(), served, waiting.lerp(served, 0.5)))
        if self.offered is not None:
            price = torch.where(bought.sum(-1) < self.offered.squeeze(-1), 0.0, price)
        return torch.where((bids == -torch.inf).all(-1), torch.nan, price)

    def detached(self) -> "WholePurchase":
        """Give it without a graph: it has none."""
        return self


Purchase: TypeAlias = SharePurchase | WholePurchase
