"""FLOPs of layers with a market of tokens, in closed form.

A multiply-add counts as two; matrix products, scores and mixing count, element-wise work does not, as in
`torch.utils.flop_counter`. With B sequences of T tokens, S keys that a query sees, m places taken through the layer in
each sequence, d features, a query width of q and a key width of k:

    bidder                 2 B T d
    keys and values        4 B T d k        (B m places where buyers see buyers only)
    query, output          4 B m d q
    feed-forward network   2 B m d f a projection
    scores, mixing         4 B m S q
"""

from dataclasses import dataclass
from typing import final

import pandas as pd

from walras.llm.architectures import FFN, Sublayer, input_features, output_features
from walras.llm.tokens.config import EVERYONE
from walras.llm.tokens.ledger import Pass, Work

__all__ = ["LayerCosts", "costs_frame"]


@final
@dataclass(frozen=True)
class LayerCosts:
    """FLOPs of one layer.

    Attributes
    ----------
    bidder, keys_and_values, processing
        Of one token: its bid, its key and value, everything else but scores and mixing.
    pair
        Scores and mixing of one query with one key.
    """

    bidder: int
    keys_and_values: int
    processing: int
    pair: int

    @classmethod
    def of(cls, attention: Sublayer, feed_forward: Sublayer) -> "LayerCosts":
        """Count them for a layer of one attention and one feed-forward network."""
        assert feed_forward.kind == FFN
        query, key, value = (2 * input_features(each) * output_features(each) for each in attention.inputs)
        others = (attention.output, *feed_forward.inputs, feed_forward.output)
        processing = query + sum(2 * input_features(each) * output_features(each) for each in others)
        return cls(2 * attention.hidden_size, key + value, processing, 4 * attention.width)

    def dense(self, work: Work) -> int:
        """FLOPs without a market, of the same tokens."""
        keys = work.keys if work.keys >= work.tokens else work.tokens
        return work.sequences * work.tokens * (self.keys_and_values + self.processing + keys * self.pair)

    def sold(self, work: Work, visible: str) -> int:
        """FLOPs with the market, its bidder included."""
        writers = work.tokens if visible == EVERYONE else work.places
        of_places = work.places * (self.processing + work.keys * self.pair)
        return work.sequences * (work.tokens * self.bidder + writers * self.keys_and_values + of_places)


def costs_frame(sold: Pass, costs: dict[int, LayerCosts], visible: str, open_layers: set[int]) -> pd.DataFrame:
    """Give a row per layer of a pass; `open_layers` have no bidder at work."""
    real = int(sold.batch.real.sum())
    rows = []
    for layer, (purchase, work) in sold.purchases.items():
        each, is_open = costs[layer], layer in open_layers
        dense = each.dense(work)
        rows.append(
            {
                "layer": layer,
                "price": float(purchase.price.nanmean()),
                "tokens": real,
                "bought": float(purchase.shares.sum()) / max(real, 1),
                "places": work.sequences * work.places,
                "bidder_flops": 0 if is_open else work.sequences * work.tokens * each.bidder,
                "flops": dense if is_open else each.sold(work, visible),
                "dense_flops": dense,
            }
        )
    return pd.DataFrame(rows)
