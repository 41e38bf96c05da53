"""Token values against definitions, and the study as a whole on tiny models."""

import numpy as np
import pytest
import torch
from tests.llm.models import bert, llama, randomised
from transformers import BertConfig, BertForMaskedLM, BertModel

from walras.llm.errors import CouplingError
from walras.llm.scarcity import Cut, Texts, cuts_of, scarcity_study, token_values
from walras.llm.scarcity.losses import hidden_groups
from walras.llm.scarcity.texts import objective_of
from walras.market import InvalidInputError

MASK = 3


def _texts(*, mask: int | None = None, labels: bool = False, count: int = 12) -> Texts:
    rng = np.random.default_rng(0)
    rows = tuple((1, *rng.integers(4, 40, 6 + number % 5).tolist(), 2) for number in range(count))
    return Texts(
        rows, frozenset({0, 1, 2}), 0, mask, tuple(n % 3 for n in range(count)) if labels else None, mask is None
    )


def _masked_bert() -> BertForMaskedLM:
    config = BertConfig(
        vocab_size=40,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=160,
        max_position_embeddings=32,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return randomised(BertForMaskedLM(config)).eval()


def test_values_of_a_causal_model_are_a_sentences_own():
    model, texts = llama().eval(), _texts()
    found = token_values(model, texts, np.random.default_rng(0), batch_size=5)
    for number in (0, 7):
        tokens = torch.tensor([texts.tokens[number]])  # alone, without padding
        embedded = model.get_input_embeddings()(tokens).detach().requires_grad_()
        logits = model(inputs_embeds=embedded).logits
        losses = torch.nn.functional.cross_entropy(logits[0, :-1], tokens[0, 1:], reduction="none")
        (gradient,) = torch.autograd.grad(losses.sum(), embedded)
        saliency = (gradient * embedded).sum(-1).abs()[0].detach().numpy()
        np.testing.assert_allclose(found[number].gradient, saliency, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(found[number].surprisal[1:], losses.detach().numpy() / np.log(2.0), rtol=1e-4)
        assert np.isnan(found[number].surprisal[0])


def test_a_masked_model_guesses_each_ordinary_token_once():
    model, texts = _masked_bert(), _texts(mask=MASK)
    found = token_values(model, texts, np.random.default_rng(0), groups=100)  # one token at a time
    tokens, place = torch.tensor([texts.tokens[3]]), 4
    hidden = tokens.clone()
    hidden[0, place] = MASK
    guess = model(hidden).logits[0, place].log_softmax(-1)[tokens[0, place]]
    assert found[3].surprisal[place] == pytest.approx(-guess.item() / np.log(2.0), rel=1e-4)
    ordinary = texts.ordinary(3)
    assert np.isfinite(found[3].surprisal[ordinary]).all()
    assert np.isnan(found[3].surprisal[~ordinary]).all()


def test_a_masked_models_gradients_are_means_over_the_turns_in_which_a_token_is_seen():
    model, text = _masked_bert(), _texts(mask=MASK).part(4, 5)
    found = token_values(model, text, np.random.default_rng(5), groups=3)[0]
    (batch,) = text.batches(1)
    group = hidden_groups(batch, 3, np.random.default_rng(5))
    saliencies = []
    for turn in range(3):
        hidden = group == turn
        embedded = model.get_input_embeddings()(batch.tokens.masked_fill(hidden, MASK)).detach().requires_grad_()
        logits = model(inputs_embeds=embedded).logits
        loss = torch.nn.functional.cross_entropy(logits[hidden], batch.tokens[hidden], reduction="sum")
        (gradient,) = torch.autograd.grad(loss, embedded)
        saliency = (gradient * embedded).sum(-1).abs().detach()
        saliencies.append(saliency.masked_fill(hidden, torch.nan).numpy()[0])
    np.testing.assert_allclose(found.gradient, np.nanmean(saliencies, axis=0), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "texts"),
    [(_masked_bert, _texts(mask=MASK)), (llama, _texts()), (bert, _texts(labels=True))],
    ids=["masked", "causal", "classifier"],
)
def test_a_study_gives_complete_rows_and_the_model_back(make, texts):
    model = make().eval()
    tokens = torch.tensor([texts.tokens[0]])
    before = model(tokens).logits
    cuts = cuts_of((0.5,), (0.5,), (0.5,), draws=2)
    tables = scarcity_study(model, texts.part(0, 8), texts.part(8, 12), cuts, np.random.default_rng(0))
    assert torch.equal(model(tokens).logits, before)
    assert len(cuts) == 2 + 2 + 1 + 2
    looks = 8 * (len(cuts) + len([cut for cut in cuts if cut.draw == 0]))  # in order, and shuffled
    kinds = {"all": 2, "ordinary": 2 if texts.labels else 3}  # a classifier has no surprisal
    shifts = tables.shifts
    assert len(shifts) == looks * 3 * sum(kinds.values())
    assert not shifts.isna().any().any()
    keys = ["text", "cut", "level", "draw", "layers", "tokens", "value"]
    parts = shifts.pivot(index=keys, columns="part", values="top_share")
    np.testing.assert_allclose(parts["composition"] + parts["reallocation"], parts["total"], atol=1e-6)
    assert (parts["reallocation"].abs() > 1e-6).any()
    assert len(tables.losses) == 8 * len(cuts)
    assert np.isfinite(tables.losses[["loss_whole", "loss_cut"]]).all().all()
    # Tokens that go take predictions along; all other cuts leave the whole model's loss what it was.
    whole = tables.losses[tables.losses["cut"] != "random tokens"].groupby("text")["loss_whole"]
    assert (whole.max() - whole.min()).max() < 1e-6
    assert len(tables.concentration) == looks * 2
    again = scarcity_study(model, texts.part(0, 8), texts.part(8, 12), cuts, np.random.default_rng(0))
    assert again.shifts.equals(shifts)


def test_what_cannot_be_studied():
    with pytest.raises(InvalidInputError, match="mask"):
        objective_of(_masked_bert(), Texts(((1, 5, 6, 2),), frozenset({1, 2}), 0))
    with pytest.raises(InvalidInputError, match="fewer than 2"):
        Texts(((1, 5, 2),), frozenset({1, 2}), 0)
    with pytest.raises(InvalidInputError, match="different cuts"):
        scarcity_study(llama(), _texts(), _texts(), [Cut("temperature", 0.5)] * 2, np.random.default_rng(0))
    headless = BertModel(BertConfig(hidden_size=48, num_attention_heads=4, num_hidden_layers=1, vocab_size=40))
    with pytest.raises(CouplingError, match="does not predict"):
        token_values(headless, _texts(mask=MASK), np.random.default_rng(0))
