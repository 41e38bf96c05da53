"""Many trainings side by side on one device: models of one architecture as one stack, each with gates of its own."""

from walras.llm.ensemble.examples import TensorExamples, aligned_batches
from walras.llm.ensemble.instruments import Instrument, PivotPayments, RepostedPrice, TrackingCollar
from walras.llm.ensemble.rivals import HardConcreteShares, MovementShares
from walras.llm.ensemble.shares import ElasticShares, GivenShares, MarketShares, Shares, served_by
from walras.llm.ensemble.stack import ModelStack
from walras.llm.ensemble.training import logits_of_members, nats_of_members, train_together

__all__ = [
    "ElasticShares",
    "GivenShares",
    "HardConcreteShares",
    "Instrument",
    "MarketShares",
    "ModelStack",
    "MovementShares",
    "PivotPayments",
    "RepostedPrice",
    "Shares",
    "TensorExamples",
    "TrackingCollar",
    "aligned_batches",
    "logits_of_members",
    "nats_of_members",
    "served_by",
    "train_together",
]
