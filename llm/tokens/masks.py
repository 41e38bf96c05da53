"""The attention masks of a layer that some tokens run through, from the mask of all."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from walras.llm.tokens.places import Places
from walras.market import InvalidInputError

__all__ = ["Masks"]


class Masks(NamedTuple):
    """What a layer was asked to mask, and what it masks for those who are taken through it.

    Masks are boolean, or what is added to scores; rows are queries, columns keys. None masks nothing but what comes
    later, in a causal model.

    Attributes
    ----------
    asked
        The mask of all tokens, shape (sequences, 1, tokens, keys), or None.
    hidden
        Hidden states before the layer, shape (sequences, tokens, features).
    causal
        Whether a token sees only itself and those before it.
    plain
        Whether the model was told no more than which tokens are padding.
    attention
        What the mask is for: eager attention adds masks to scores, and takes no boolean ones.
    """

    asked: Any
    hidden: Tensor
    causal: bool
    plain: bool
    attention: Any

    def of_rows(self, inside: Tensor, past: int) -> Tensor | None:
        """Mask those at `inside` (sequences, places) from all keys, `past` of them in the cache.

        Shape (sequences, 1, places or 1, keys).
        """
        if self.asked is None:
            if not self.causal or self.hidden.shape[1] == 1:
                return None
            keys = torch.arange(past + self.hidden.shape[1], device=self.hidden.device)
            return self._from(keys <= (past + inside)[:, None, :, None])
        mask = self._checked()
        if self.plain and not self.causal:  # it closes padding, alike for all
            return mask[:, :, :1]
        return mask.gather(2, inside[:, None, :, None].expand(-1, mask.shape[1], -1, mask.shape[-1]))

    def between(self, taken: Places) -> Tensor | None:
        """Mask buyers from each other; shape (sequences, 1, places or 1, places)."""
        if self.asked is None and (self.causal or taken.bought is None):
            return None  # those that fill up stand behind all buyers, where causal attention does not see them
        assert taken.bought is not None  # with a mask, or without causality, somebody may fill up
        buyers = taken.bought[:, None, None, :]
        if self.asked is None or (self.plain and not self.causal):
            return self._from(buyers)  # padding does not buy
        seen = self.of_rows(taken.inside, 0)
        assert seen is not None
        columns = taken.inside[:, None, None, :].expand(-1, seen.shape[1], seen.shape[2], -1)
        return without(seen.gather(3, columns), ~buyers)

    def with_past(self, inside: Tensor, present: Tensor, past: int) -> Tensor:
        """Mask those inside from the keys that are absent from a cache; `present` has shape (sequences, keys)."""
        seen = self.of_rows(inside, past)
        columns = present[:, None, None, :]
        return self._from(columns) if seen is None else without(seen, ~columns)

    def softly(self, shares: Tensor) -> Tensor:
        """Add log x to the scores of keys with share x (sequences, tokens); shape (sequences, 1, tokens, tokens)."""
        tokens, dtype = self.hidden.shape[1], self.hidden.dtype
        if self.asked is None:
            open_keys = torch.ones((1, 1, tokens, tokens), dtype=torch.bool, device=self.hidden.device)
            mask = open_keys.tril() if self.causal else open_keys
        else:
            mask = self._checked()
        scores = shares.clamp(min=torch.finfo(torch.float32).tiny).log().to(dtype)[:, None, None, :]
        if mask.dtype == torch.bool:
            return torch.where(mask, scores, torch.finfo(dtype).min)
        return (mask + scores).clamp(min=torch.finfo(mask.dtype).min)

    def _checked(self) -> Tensor:
        mask, hidden = self.asked, self.hidden
        if not isinstance(mask, Tensor) or mask.ndim != 4 or mask.shape[2] != hidden.shape[1]:
            got = tuple(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__
            raise InvalidInputError(
                "A layer with a market of tokens needs an attention mask of shape (sequences, 1, queries, keys), got "
                f"{got}: load the model with attn_implementation='sdpa' or 'eager'."
            )
        return mask.expand(hidden.shape[0], -1, -1, -1)

    def _from(self, seen: Tensor) -> Tensor:
        """Give a boolean mask in the form that attention takes."""
        if self.attention.config._attn_implementation != "eager":
            return seen
        dtype = self.hidden.dtype
        return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(~seen, torch.finfo(dtype).min)


def without(mask: Tensor, absent: Tensor) -> Tensor:
    """Close the columns of absent keys."""
    if mask.dtype == torch.bool:
        return mask & ~absent
    return mask.masked_fill(absent, torch.finfo(mask.dtype).min)
