"""What one scarcity study is: a model, texts, and cuts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import torch
from numpy.random import Generator
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer, PreTrainedModel

from walras.llm.errors import DataError
from walras.llm.scarcity import Cut, Texts, cuts_of
from walras.llm.tasks import make_roles_task, small_bert
from walras.llm.training import TrainingSettings, fine_tune
from walras.market.errors import InvalidInputError
from walras.market.validation import whole_number
from walras.simulations.scarcity.lines import FILES, text_lines

__all__ = ["DATA", "EMBEDDED", "ScarcityConfig"]

EMBEDDED: Final = "roles"

DATA: Final = (EMBEDDED, *FILES)


@final
@dataclass(frozen=True, kw_only=True)
class ScarcityConfig:
    """A study of one model on one kind of texts; plain values, as scenarios hold them.

    Parameters
    ----------
    data
        "roles" (embedded, with a small classifier that is trained for `steps` first), "cola" or "stsb" (sentences of
        GLUE's development sets) or "wikitext" (beginnings of paragraphs of WikiText-103's validation text).
    model
        Folder or hub name of a language model, causal or masked; "" with the embedded data.
    data_dir
        Folder that holds the data's files; "" with the embedded data.
    texts
        How many are looked at.
    calibration
        How many others serve to rank heads.
    shortest, longest
        Tokens that a text must have, special ones included, and at which it is cut.
    heads, tokens
        Fractions of the heads that are closed and of the tokens that are dropped.
    temperatures
        Of the attention.
    draws
        Of what is drawn by lot.
    top
        Fraction of a text's tokens that counts as high in value.
    steps
        Of the embedded classifier's training, before anything is cut; nothing is trained after.
    """

    data: str = EMBEDDED
    model: str = ""
    data_dir: str = ""
    texts: int = 200
    calibration: int = 64
    shortest: int = 10
    longest: int = 48
    heads: tuple[float, ...] = (0.25, 0.5, 0.75)
    temperatures: tuple[float, ...] = (0.5, 0.75)
    tokens: tuple[float, ...] = (0.25, 0.5)
    draws: int = 3
    top: float = 0.2
    steps: int = 200

    def __post_init__(self) -> None:
        if self.data not in DATA:
            raise InvalidInputError(f"There are no texts {self.data!r}; there are: {', '.join(DATA)}.")
        embedded = self.data == EMBEDDED
        if embedded == bool(self.model) or embedded == bool(self.data_dir):
            raise InvalidInputError(
                f"The embedded texts {self.data!r} bring their own model and data: leave model and data_dir out."
                if embedded
                else f"The texts {self.data!r} need a model (a folder, or a name on the hub) and data_dir, the folder "
                f"that holds {FILES[self.data]}."
            )
        for name in ("texts", "calibration"):
            whole_number(name, getattr(self, name), minimum=2)
        whole_number("draws", self.draws, minimum=1)
        whole_number("steps", self.steps)
        if not 4 <= self.shortest <= self.longest:
            raise InvalidInputError(f"4 <= shortest <= longest must hold, got {self.shortest} and {self.longest}.")
        if not 0.0 < self.top < 1.0:
            raise InvalidInputError(f"top must lie between 0 and 1, got {self.top}.")
        if not self.cuts:
            raise InvalidInputError("There is nothing to cut: give heads, temperatures or tokens.")

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """What is tried; raises `InvalidInputError` if a level is out of range."""
        return cuts_of(self.heads, self.temperatures, self.tokens, draws=self.draws)

    def load(self, rng: Generator) -> tuple[PreTrainedModel, Texts, Texts]:
        """Load the model, the texts that are looked at and those for ranking heads, drawn without replacement.

        Raises
        ------
        DataError
            If model or data cannot be had, or too few texts are long enough.
        """
        if self.data == EMBEDDED:
            return self._embedded(int(rng.integers(2**31)))
        lines = text_lines(self.data, Path(self.data_dir))
        try:
            tokenizer: Any = AutoTokenizer.from_pretrained(self.model)
            kind = AutoModelForMaskedLM if tokenizer.mask_token_id is not None else AutoModelForCausalLM
            model = kind.from_pretrained(self.model, dtype=torch.float32)
        except (OSError, ValueError) as error:
            raise DataError(
                f"Model {self.model!r} could not be loaded: {str(error).strip().splitlines()[0]} Give a folder that "
                "holds config.json, weights and tokenizer, or, with a network, a name on the hub."
            ) from error
        masked = tokenizer.mask_token_id is not None
        encoded = tokenizer(
            [lines[number] for number in rng.permutation(len(lines))], truncation=True, max_length=self.longest
        )["input_ids"]
        long_enough = [tuple(text) for text in encoded if len(text) >= self.shortest]
        wanted = self.texts + self.calibration
        if len(long_enough) < wanted:
            raise DataError(
                f"{self.data} has {len(long_enough)} texts of {self.shortest} tokens or more; {wanted} are needed: "
                "lower texts, calibration or shortest."
            )
        texts = Texts(
            tuple(long_enough[:wanted]),
            frozenset(tokenizer.all_special_ids),
            tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0,
            tokenizer.mask_token_id,
            first_is_special=not masked,
        )
        return model, texts.part(0, self.texts), texts.part(self.texts, wanted)

    def _embedded(self, seed: int) -> tuple[PreTrainedModel, Texts, Texts]:
        model, task = small_bert(seed=seed), make_roles_task(train=4000, evaluation=2000, seed=seed)
        if self.steps:
            fine_tune(model, task, TrainingSettings(steps=self.steps, learning_rate=1e-3, batch_size=64, seed=seed))
        model.eval()
        rows = [row for row in task.evaluation.rows if len(row["input_ids"]) >= self.shortest]
        wanted = self.texts + self.calibration
        if len(rows) < wanted:
            raise DataError(f"{len(rows)} of 2000 sentences have {self.shortest} tokens or more; {wanted} are needed.")
        texts = Texts(
            tuple(tuple(row["input_ids"]) for row in rows[:wanted]),
            frozenset({0, 1, 2}),  # [PAD], [CLS] and [SEP] of the embedded vocabulary
            padding=0,
            labels=tuple(int(row["labels"]) for row in rows[:wanted]),
        )
        return model, texts.part(0, self.texts), texts.part(self.texts, wanted)
