"""Attention masks that mask nothing, left out where transformers cannot tell.

Where no token is padding, attention needs no mask, and without one it has its fastest kernels. In eager passes
transformers sees that. While a pass is captured in a CUDA graph or compiled it does not look, so as not to read values,
and makes a mask even of no mask at all (releases differ in when); attention then runs several times slower, in
whatever model. That no mask was given, though, needs no reading.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from transformers import masking_utils
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
from transformers.utils.import_utils import is_tracing

from walras.market import InvalidInputError

__all__ = ["unpadded"]

_find_packed = masking_utils.find_packed_sequence_indices


@contextmanager
def unpadded() -> Iterator[None]:
    """Let captured and compiled passes do without an attention mask where none is given, as eager ones do.

    Enter it around `torch.compile`d calls, the first and later ones, around the capture of a CUDA graph, or around
    `torch.export.export` of more than one token. It says that sequences given without a mask are whole: neither padded
    nor several in one row. A mask that is given counts as ever, sliding windows too; so does one that a model makes by
    itself (ModernBERT, OPT). It concerns attention by `"sdpa"`, for all models of the process and all of its threads.

    Raises
    ------
    InvalidInputError
        In an eager pass, such as one that warms up for a capture: position ids put several sequences into one row.
    """
    registered = AttentionMaskInterface._global_mapping["sdpa"]
    finds = masking_utils.find_packed_sequence_indices
    if registered is sdpa_mask:  # a mask function of somebody else's stays
        AttentionMaskInterface.register("sdpa", _mask_if_any)
    masking_utils.find_packed_sequence_indices = _none_packed
    try:
        yield
    finally:
        AttentionMaskInterface.register("sdpa", registered)
        masking_utils.find_packed_sequence_indices = finds


def _mask_if_any(
    batch_size: int,
    q_length: int,
    kv_length: int,
    q_offset: Any = 0,
    kv_offset: int = 0,
    *,
    attention_mask: Tensor | None = None,
    local_size: int | None = None,
    allow_is_causal_skip: bool = True,
    allow_is_bidirectional_skip: bool = False,
    **others: Any,
) -> Tensor | None:
    """Give None where attention's own `is_causal` says it all; otherwise the mask that transformers makes."""
    if attention_mask is None and (local_size is None or kv_length < local_size):
        # Causal kernels align the first query with the first key: right for a text from its beginning, and a single
        # query, which sees everything, is not treated as causal.
        from_the_beginning = kv_length == q_length or (isinstance(q_offset, int) and q_offset == 0)
        if allow_is_bidirectional_skip or (allow_is_causal_skip and (q_length == 1 or from_the_beginning)):
            return None
    return sdpa_mask(
        batch_size,
        q_length,
        kv_length,
        q_offset,
        kv_offset,
        attention_mask=attention_mask,
        local_size=local_size,
        allow_is_causal_skip=allow_is_causal_skip,
        allow_is_bidirectional_skip=allow_is_bidirectional_skip,
        **others,
    )


def _none_packed(position_ids: Tensor) -> None:
    if not is_tracing(position_ids) and _find_packed(position_ids) is not None:
        raise InvalidInputError(
            f"position_ids, of shape {tuple(position_ids.shape)}, put several sequences into one row, and unpadded() "
            "takes each row as one whole sequence: call the model outside of it."
        )
