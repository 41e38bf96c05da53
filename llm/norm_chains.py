"""Steps of a streamlined model that end in normalisations: the sum behind a sub-layer, and that of the embeddings."""

from typing import Any

import torch
from torch import Tensor, nn

from walras.llm.norms import sum_and_norms

__all__ = ["EmbeddingsAndNorms", "NormChain", "SumAndNorms"]


class NormChain(nn.Module):
    """Normalisations one after the other, each with a constant added before it.

    Parameters
    ----------
    norm
        The first.
    """

    weights: nn.Parameter
    biases: nn.Parameter

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.epsilon: float = norm.eps
        self.weights = nn.Parameter(norm.weight[None].clone(), requires_grad=norm.weight.requires_grad)
        self.biases = nn.Parameter(norm.bias[None].clone(), requires_grad=norm.bias.requires_grad)

    def go_on(self, norm: nn.LayerNorm, constant: Tensor | None) -> None:
        """Add a constant, and normalise once more."""
        if constant is not None:
            self.biases[-1].add_(constant.to(self.biases.dtype))
        for name, row in (("weights", norm.weight), ("biases", norm.bias)):
            rows = getattr(self, name)
            setattr(self, name, nn.Parameter(torch.cat([rows, row[None]]), requires_grad=rows.requires_grad))


class SumAndNorms(NormChain):
    """Output projection, dropout, sum and normalisations; of a closed sub-layer a constant in place of the first two.

    Parameters
    ----------
    block
        What computes `LayerNorm(dense(output of the sub-layer) + residual)`.
    closed
        Whether its projection has no inputs.
    """

    constant: Tensor | None

    def __init__(self, block: Any, *, closed: bool) -> None:
        super().__init__(block.LayerNorm)
        self.dense: nn.Module | None = None if closed else block.dense
        self.dropout: nn.Module = block.dropout
        self.register_buffer("constant", block.dense.bias.detach() if closed and block.dense.bias is not None else None)

    def forward(self, output: Tensor, residual: Tensor) -> Tensor:
        """Give hidden states behind the sub-layer, and behind closed ones that follow."""
        added = self.constant if self.dense is None else self.dropout(self.dense(output))
        return sum_and_norms(added, residual, self.weights, self.biases, self.epsilon)


class EmbeddingsAndNorms(NormChain):
    """BERT's embeddings of words, positions and token types, their sum, and normalisations.

    What all sequences of a batch have in common, positions and a token type that nobody chose, is looked up for one.

    Parameters
    ----------
    embeddings
        Of transformers, a `BertEmbeddings`.
    """

    def __init__(self, embeddings: Any) -> None:
        super().__init__(embeddings.LayerNorm)
        self.word_embeddings: nn.Embedding = embeddings.word_embeddings  # transformers asks for it
        self.position_embeddings: nn.Embedding = embeddings.position_embeddings
        self.token_type_embeddings: nn.Embedding = embeddings.token_type_embeddings
        self.dropout: nn.Module = embeddings.dropout

    def forward(
        self,
        input_ids: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        past_key_values_length: int = 0,
    ) -> Tensor:
        """Give hidden states, shape (sequences, tokens, features)."""
        words = self.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        if position_ids is None:
            seen = past_key_values_length
            positions = self.position_embeddings.weight[seen : seen + words.shape[1]]
        else:
            positions = self.position_embeddings(position_ids)
        types = self.token_type_embeddings
        added = positions + (types.weight[0] if token_type_ids is None else types(token_type_ids))
        if not (self.training and getattr(self.dropout, "p", 0.0) > 0.0):
            return sum_and_norms(added, words, self.weights, self.biases, self.epsilon)
        # Dropout comes before the first closed sub-layer.
        first = self.dropout(sum_and_norms(added, words, self.weights[:1], self.biases[:1], self.epsilon))
        return sum_and_norms(None, first, self.weights[1:], self.biases[1:], self.epsilon)
