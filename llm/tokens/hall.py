"""The markets of all layers of a model, in one module beside its own."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from walras.llm.errors import CouplingError
from walras.llm.tokens.config import TokenConfig
from walras.llm.tokens.ledger import Ledger, Posted, batch_of
from walras.llm.tokens.market import HARD, OPEN, POOLED, POSTED, SHARED, SOFT, TokenMarket, lowest_bid_served

__all__ = ["MARKETS_NAME", "ReadTokens", "TokenMarkets", "pooled"]

MARKETS_NAME = "walras_tokens"


class TokenMarkets(nn.Module):
    """The markets of a model's layers, a submodule that is trained, moved and saved with the model.

    Attributes
    ----------
    mode
        `"soft"`, `"hard"`, `"open"`; None follows the model: soft in training, hard in evaluation.
    """

    def __init__(self, config: TokenConfig, capacities: tuple[float, ...], hidden_size: int, *, causal: bool) -> None:
        super().__init__()
        self.markets = nn.ModuleList(TokenMarket(hidden_size, config, capacity) for capacity in capacities)
        self.visible, self.causal = config.visible, causal
        self.ledger = Ledger()
        self.mode: str | None = None
        self.pools = False
        self.room = config.room
        self._known: object = None

    def way(self) -> str:
        """Give the mode of `TokenMarket` in which the present forward pass clears."""
        if self.mode == OPEN:
            return OPEN
        if self.mode == SOFT or (self.mode is None and self.training):
            return SHARED if self.causal else SOFT
        if self.pools:
            return POOLED
        return POSTED if self.causal else HARD

    def require_prices(self) -> None:
        """Raise `CouplingError` if a layer is about to post a price that it does not have.

        Reading prices waits for the device, so that it is done once after a change; a compiled pass cannot do it, and
        serves everyone at a price that is not known.
        """
        if torch.compiler.is_compiling() or self.way() != POSTED:
            return
        prices = [market.posted_price for market in self if market.capacity < 1.0]
        state = [(id(price), None if price.is_inference() else price._version) for price in prices]
        if state == self._known and all(version is not None for _, version in state):
            return
        if prices and bool(torch.stack(prices).isnan().any()):
            raise CouplingError(
                "A causal model posts its layers' prices in evaluation, and not all are known: they are learned in "
                "training, or found by TokenEconomy.calibrate(batches)."
            )
        self._known = state

    def posts(self) -> tuple[Posted, ...]:
        """Give what each layer posts in the present forward pass, worked out for all at once."""
        if self.way() != POSTED:
            return ()
        prices = torch.stack([market.posted_price for market in self])
        return tuple(map(Posted, prices.unbind(), lowest_bid_served(prices).unbind()))

    def __iter__(self) -> Iterator[TokenMarket]:
        """Go through the layers' markets."""
        return iter(self.markets)  # type: ignore[arg-type]


class ReadTokens:
    """Hook that notes the tokens of a forward pass before the first layer."""

    def __init__(self, markets: TokenMarkets, model: nn.Module) -> None:
        self.markets = markets
        self.names = [name for name in inspect.signature(type(model).forward).parameters if name != "self"]

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Open the pass in the ledger."""
        self.markets.require_prices()
        self.markets.ledger.open(batch_of(dict(zip(self.names, arguments, strict=False)) | named), self.markets.posts())


@contextmanager
def pooled(markets: TokenMarkets) -> Iterator[None]:
    """Clear whole tokens in one market for each batch, and learn its prices."""
    before = markets.mode
    markets.mode, markets.pools = HARD, True
    try:
        yield
    finally:
        markets.mode, markets.pools = before, False
