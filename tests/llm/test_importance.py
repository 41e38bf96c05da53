"""First valuations: slopes of the loss in each share, per unit of cost, as normal scores."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from tests.llm.models import bert, logits_of, tokens
from torch import Tensor

from walras.llm import CouplingError, attach
from walras.llm.appraisal import normal_scores
from walras.market import InvalidInputError


def batches() -> list[dict[str, Tensor]]:
    return [
        {**tokens(batch=3), "labels": torch.tensor([0, 1, 2])},
        {**tokens(batch=2, length=7), "labels": torch.tensor([2, 0])},
    ]


def test_valuations_rank_what_the_loss_would_miss() -> None:
    economy = attach(bert())
    economy.set_budget(0.5)
    before = logits_of(economy.model, tokens())
    values = economy.initialise_valuations(batches())
    # By finite differences of the shares themselves.
    step, slopes = 1e-2, np.zeros(21)
    for batch in batches():
        for agent in range(21):
            losses = []
            for sign in (-1.0, 1.0):
                shares = torch.ones(21)
                shares[agent] += sign * step
                economy.gate.given = lambda shares=shares: shares
                with torch.no_grad():
                    losses.append(float(economy.model(**batch).loss))
            slopes[agent] += abs(losses[1] - losses[0])
    economy.gate.given = None
    expected = normal_scores(slopes / economy.population.costs)
    assert spearmanr(values, expected).statistic > 0.99
    np.testing.assert_allclose(values.sum(), 0.0, atol=1e-4)
    assert not torch.equal(logits_of(economy.model, tokens()), before)  # another allocation than before
    assert economy.gate.mode is None
    assert all(parameter.grad is None for parameter in economy.model.parameters())


def test_batches_must_be_there_and_have_labels() -> None:
    economy = attach(bert())
    with pytest.raises(InvalidInputError, match="empty"):
        economy.initialise_valuations([])
    with pytest.raises(CouplingError, match="labels"):
        economy.initialise_valuations([tokens()])
    assert economy.gate.mode is None
