"""`attach_tokens`: make the tokens of a model compete for the processing of its layers."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, final

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from walras.llm.architectures import ATTENTION, Sublayer, sublayers_of
from walras.llm.errors import CouplingError, UnsupportedModelError
from walras.llm.flops import evaluating
from walras.llm.resources import is_causal
from walras.llm.tokens.config import TokenConfig, checked_capacities
from walras.llm.tokens.costs import LayerCosts, costs_frame
from walras.llm.tokens.keys import KeyValues
from walras.llm.tokens.ledger import Ledger, Recording, batch_of
from walras.llm.tokens.market import HARD, OPEN, POOLED, POSTED, SHARED, SOFT, TokenMarket
from walras.llm.tokens.saving import SaveWithMarket
from walras.llm.tokens.skipping import SkippingForward
from walras.market import InvalidInputError
from walras.market.validation import finite_number, positive_number

__all__ = ["SUPPORTED", "TokenEconomy", "TokenReport", "attach_tokens"]

MARKETS_NAME = "walras_tokens"

# Layers that take and give hidden states alone, with query, key and value projections of their own, and a cache that
# attention is handed. Keys turn by their module's `apply_rotary_pos_emb`, if they turn at all.
SUPPORTED = ("bert", "electra", "llama", "mistral", "qwen2", "qwen3", "roberta")


def attach_tokens(model: PreTrainedModel, config: TokenConfig | None = None) -> "TokenEconomy":
    """Let the tokens of a model buy their processing at some of its layers.

    The model is changed in place. In training mode tokens buy smooth shares; in evaluation mode whole tokens buy, and
    those that do not are passed by: the layer computes less. `TokenEconomy.detach` takes it away again.

    Parameters
    ----------
    model
        A transformers model of a supported `model_type` (`walras.llm.tokens.SUPPORTED`), in memory and whole.
    config
        Which layers sell how much; by default every second layer half of its tokens.

    Raises
    ------
    UnsupportedModelError
        Another architecture, cross-attention, or weights that cannot be read.
    CouplingError
        Tokens have a market already, or the model was exported before.

    Notes
    -----
    *Source*: layers with a capacity and a learned router are the mixture of depths of Raposo et al. 2024; here the
    router is a market, whose price is posted to causal models.
    """
    return TokenEconomy(model, config or TokenConfig())


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
        """Raise `CouplingError` if a layer is about to post a price that it does not have."""
        if self.way() != POSTED:
            return
        prices = torch.stack([market.posted_price for market in self if market.capacity < 1.0] or [torch.zeros(())])
        if bool(prices.isnan().any()):
            raise CouplingError(
                "A causal model posts its layers' prices in evaluation, and not all are known: they are learned in "
                "training, or found by TokenEconomy.calibrate(batches)."
            )

    def __iter__(self) -> Iterator[TokenMarket]:
        """Go through the layers' markets."""
        return iter(self.markets)  # type: ignore[arg-type]


@final
class TokenEconomy:
    """A model whose tokens buy processing. Made by `attach_tokens`.

    Attributes
    ----------
    model
        The model, changed in place.
    config
        How it was attached, with layers named.
    causal
        Whether tokens face posted prices in evaluation; else the market clears in each sequence.
    markets
        The module inside the model: one `TokenMarket` a layer.
    costs
        FLOPs of each of the layers, by its number.
    """

    def __init__(self, model: PreTrainedModel, config: TokenConfig) -> None:
        layers = _layers_of(model)
        self.model = model
        self.config = config.for_layers(len(layers))
        assert self.config.layers is not None
        self.layers = self.config.layers
        self.causal = is_causal(model)
        self.costs = {number: LayerCosts.of(*layers[number]) for number in self.layers}
        capacities = checked_capacities(self.config.capacity, len(self.layers))
        hidden_size = layers[0][0].hidden_size
        self.markets = TokenMarkets(self.config, capacities, hidden_size, causal=self.causal)
        self.markets.to(model.device).train(model.training)
        model.add_module(MARKETS_NAME, self.markets)
        self._layers = [layers[number][0].module for number in self.layers]
        for number, market in zip(self.layers, self.markets, strict=True):
            attention = layers[number][0]
            forward = SkippingForward(attention.module, number, market, KeyValues(attention), self.markets)
            attention.module.forward = forward
        self._hook = model.base_model.register_forward_pre_hook(_ReadTokens(self.markets), with_kwargs=True)
        self._attached = True
        SaveWithMarket.put(model)

    def detach(self) -> PreTrainedModel:
        """Take markets and bidders away, and give the model back as it computes without them."""
        self._require_attached()
        self._hook.remove()
        for layer in self._layers:
            del layer.forward
        delattr(self.model, MARKETS_NAME)
        SaveWithMarket.take(self.model)
        self._attached = False
        return self.model

    @property
    def capacities(self) -> dict[int, float]:
        """Fraction of its sequence's tokens that each layer sells, by its number."""
        return {number: market.capacity for number, market in zip(self.layers, self.markets, strict=True)}

    def set_capacity(self, capacity: float | tuple[float, ...]) -> None:
        """Set what layers sell, in [0, 1], one number for all or one for each, from the next forward pass on.

        Prices that were learned at another capacity are forgotten: a causal model needs some training, or `calibrate`.
        """
        self._require_attached()
        for market, each in zip(self.markets, checked_capacities(capacity, len(self.layers)), strict=True):
            if each != market.capacity:
                market.capacity = each
                market.forget_price()

    @property
    def temperature(self) -> float:
        """Scale of the demand rule (money per token)."""
        return next(iter(self.markets)).temperature

    def set_temperature(self, temperature: float) -> None:
        """Set the scale of the demand rule (money per token), above 0, from the next forward pass on."""
        self._require_attached()
        scale = positive_number("temperature", temperature)
        for market in self.markets:
            market.temperature = scale

    def set_mode(self, mode: str | None) -> None:
        """Clear `"soft"`, `"hard"`, or serve everyone (`"open"`), in every mode of the model.

        None follows the model: soft in training, hard in evaluation. Hard means posted prices in a causal model.
        """
        self._require_attached()
        if mode not in (SOFT, HARD, OPEN, None):
            raise InvalidInputError(f"mode must be 'soft', 'hard', 'open' or None, got {mode!r}.")
        self.markets.mode = mode

    @property
    def prices(self) -> dict[int, float]:
        """Price that each layer posts (money per token), by its number; NaN where none was learned."""
        return {number: float(market.posted_price) for number, market in zip(self.layers, self.markets, strict=True)}

    def set_prices(self, prices: Mapping[int, float]) -> None:
        """Post prices of your own, by the layers' numbers."""
        self._require_attached()
        for number, price in prices.items():
            if number not in self.layers:
                raise InvalidInputError(f"Layer {number} has no market; those that have one are {self.layers}.")
            market = self.markets.markets[self.layers.index(number)]
            market.posted_price.fill_(finite_number("price", price))  # type: ignore[operator]
            market.updates.fill_(1)  # type: ignore[operator]

    @torch.no_grad()
    def calibrate(self, batches: Iterable[Mapping[str, Tensor]]) -> dict[int, float]:
        """Set posted prices to the mean of those at which whole tokens clear some batches, and give them.

        Each batch is one market at each layer, and those who do not buy are passed by at once, so that later layers
        see what they will see.
        """
        self._require_attached()
        for market in self.markets:
            market.forget_price()
        momenta = [market.momentum for market in self.markets]
        with evaluating(self.model), _pooled(self.markets):
            try:
                for market in self.markets:
                    market.momentum = 1.0  # a plain mean
                for batch in batches:
                    self.model(**{k: v.to(self.model.device) for k, v in batch.items() if k != "labels"})
            finally:
                for market, momentum in zip(self.markets, momenta, strict=True):
                    market.momentum = momentum
        if any(int(market.updates) == 0 for market in self.markets if market.capacity < 1.0):
            raise InvalidInputError("batches is empty, or its bids are no numbers: prices need a batch or more.")
        return self.prices

    @contextmanager
    def recording(self) -> Iterator[Recording]:
        """Keep the purchases of every forward pass inside, such as those of `generate`; yields them, with a `frame`."""
        self._require_attached()
        ledger = self.markets.ledger
        ledger.recording = recording = Recording()
        try:
            yield recording
        finally:
            ledger.recording = None

    def purchases(self) -> pd.DataFrame:
        """Give who bought in the last forward pass.

        Returns
        -------
        DataFrame
            A row per real token and layer: forward_pass (0), sequence, position, token (its number, -1 under
            embeddings), layer, valuation and price (money; NaN where a layer serves everyone), share in [0, 1], bought.
        """
        self._require_attached()
        return self.markets.ledger.sold().frame(0)

    def flops(self) -> pd.DataFrame:
        """Give what the last forward pass computed at the layers that are for sale.

        Returns
        -------
        DataFrame
            A row per layer: layer, price (mean over sequences), tokens (real ones), bought (share of them), places
            (tokens taken through, those included that fill up a batch), bidder_flops, flops (bidder included),
            dense_flops (the layer without a market).
        """
        self._require_attached()
        sold = self.markets.ledger.sold()
        opened = {number for number, (purchase, _) in sold.purchases.items() if bool(purchase.valuations.isnan().all())}
        return costs_frame(sold, self.costs, self.config.visible, opened)

    def report(self, batch: Mapping[str, Tensor]) -> "TokenReport":
        """Run a batch through the model in evaluation mode, with the market and without; print what it gives."""
        self._require_attached()
        inputs = {name: tensor.to(self.model.device) for name, tensor in batch.items() if name != "labels"}
        mode = self.markets.mode
        try:
            with evaluating(self.model):
                self.markets.mode = OPEN
                dense = _counted(self.model, inputs)
                self.markets.mode = HARD
                rationed = _counted(self.model, inputs)
        finally:
            self.markets.mode = mode
        return TokenReport(self.flops(), rationed, dense, causal=self.causal)

    def _require_attached(self) -> None:
        if not self._attached:
            raise CouplingError("The market of tokens is detached from its model: attach_tokens() a new one.")


@final
class TokenReport:
    """Prices, purchases and FLOPs of one batch; `str` gives a table.

    Attributes
    ----------
    layers
        As `TokenEconomy.flops` gives it.
    model_flops, dense_model_flops
        Of the whole model, embeddings and head included, with the market and without, counted by torch.
    """

    def __init__(self, layers: pd.DataFrame, model_flops: int, dense_model_flops: int, *, causal: bool) -> None:
        self.layers, self.model_flops, self.dense_model_flops = layers, model_flops, dense_model_flops
        self.causal = causal

    @property
    def layers_ratio(self) -> float:
        """FLOPs of the layers for sale, over those of the same layers without a market."""
        return float(self.layers["flops"].sum() / self.layers["dense_flops"].sum())

    @property
    def model_ratio(self) -> float:
        """FLOPs of the whole model, over those without a market."""
        return self.model_flops / self.dense_model_flops

    def __str__(self) -> str:
        """Give a table and the FLOPs of layers and model."""
        table = self.layers.to_string(index=False, float_format=lambda number: f"{number:.3f}")
        price = "posted prices" if self.causal else "a market in each sequence"
        return (
            f"Tokens buy processing at {len(self.layers)} layers, at {price}\n{table}\n"
            f"layers for sale: {self.layers_ratio:.3f} of their FLOPs; whole model: {self.model_ratio:.3f} of "
            f"{self.dense_model_flops:,}"
        )


class _ReadTokens:
    """Hook that notes the tokens of a forward pass before the first layer."""

    def __init__(self, markets: TokenMarkets) -> None:
        self.markets = markets

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        names = [name for name in inspect.signature(type(module).forward).parameters if name != "self"]
        self.markets.require_prices()
        self.markets.ledger.open(batch_of(dict(zip(names, arguments, strict=False)) | named))


@contextmanager
def _pooled(markets: TokenMarkets) -> Iterator[None]:
    before = markets.mode
    markets.mode, markets.pools = HARD, True
    try:
        yield
    finally:
        markets.mode, markets.pools = before, False


@torch.no_grad()
def _counted(model: PreTrainedModel, inputs: Mapping[str, Tensor]) -> int:
    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), counter:
        model(**inputs)
    return int(counter.get_total_flops())


def _layers_of(model: PreTrainedModel) -> list[tuple[Sublayer, Sublayer]]:
    """Give attention and feed-forward network of each layer of a model that can be attached to."""
    if not isinstance(model, PreTrainedModel):
        raise UnsupportedModelError(f"Expected a transformers PreTrainedModel, got {type(model).__name__}.")
    if hasattr(model, MARKETS_NAME):
        raise CouplingError("The model's tokens have a market already: detach() it first, or use set_capacity().")
    if getattr(model.config, "walras", None):
        raise CouplingError("The model was exported by walras: attach to the whole model that it came from.")
    if any(isinstance(module.__dict__.get("forward"), SkippingForward) for module in model.modules()):
        raise CouplingError("Layers belong to a market of tokens of a part of the model, or its whole: detach() it.")
    model_type = model.config.model_type
    if model_type not in SUPPORTED:
        raise UnsupportedModelError(
            f"model_type {model_type!r} has no market of tokens; supported: {', '.join(SUPPORTED)}. Heads and neuron "
            "blocks of other models can be rationed with walras.llm.attach."
        )
    if any(parameter.is_meta for parameter in model.parameters()):
        raise UnsupportedModelError("The model has no weights (meta device): load it onto a device first.")
    sublayers = sublayers_of(model)
    if getattr(model.config, "add_cross_attention", False):
        raise UnsupportedModelError(f"{type(model).__name__} has cross-attention, which a market of tokens lacks.")
    attentions = [each for each in sublayers if each.kind == ATTENTION]
    return list(zip(attentions, (each for each in sublayers if each.kind != ATTENTION), strict=True))
