"""Fixtures of the coupling's tests: one model of each architecture."""

import pytest
from tests.llm.models import DECODERS, MODELS
from transformers import PreTrainedModel


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    """Each architecture in turn, in evaluation mode."""
    return MODELS[request.param]()


@pytest.fixture(params=DECODERS)
def decoder(request: pytest.FixtureRequest) -> PreTrainedModel:
    """Each architecture that generates text, in evaluation mode."""
    return MODELS[request.param]()
