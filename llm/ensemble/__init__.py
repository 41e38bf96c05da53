"""Many trainings side by side on one device: models of one architecture as one stack, each with gates of its own."""

from walras.llm.ensemble.examples import TensorExamples, aligned_batches
from walras.llm.ensemble.shares import ElasticShares, GivenShares, MarketShares, Shares
from walras.llm.ensemble.stack import ModelStack
from walras.llm.ensemble.training import logits_of_members, train_together

__all__ = [
    "ElasticShares",
    "GivenShares",
    "MarketShares",
    "ModelStack",
    "Shares",
    "TensorExamples",
    "aligned_batches",
    "logits_of_members",
    "train_together",
]
