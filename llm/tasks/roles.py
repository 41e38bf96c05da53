"""The embedded task: who acts in a sentence of a small English-like grammar.

Sentences are drawn in two voices, with modifiers that bring distracting nouns:

    active    the ACTOR modifier? adverb? verbed the patient modifier?
    passive   the patient modifier? was adverb? verbed by the ACTOR modifier?

A modifier is a preposition and a noun phrase; a noun phrase may have an adjective. The label is what the actor is: a
person, an animal, a vehicle or a plant. It takes attention to find the actor, and the feed-forward network to know the
words. A small model learns it in some hundred steps. The score is accuracy.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from transformers import BertConfig, BertForSequenceClassification

from walras.llm.tasks.task import Examples, Task
from walras.market import InvalidInputError

__all__ = ["make_roles_task", "small_bert"]

_NOUNS: Mapping[str, tuple[str, ...]] = {
    "person": ("author", "child", "farmer", "king", "lawyer", "nurse", "painter", "pilot", "singer", "teacher"),
    "animal": ("bear", "cat", "dog", "eagle", "goat", "horse", "lion", "mouse", "tiger", "wolf"),
    "vehicle": ("bicycle", "boat", "bus", "car", "lorry", "plane", "ship", "taxi", "train", "tram"),
    "plant": ("bush", "fern", "flower", "ivy", "moss", "oak", "pine", "reed", "rose", "vine"),
}
_CLASSES = tuple(_NOUNS)
_VERBS = ("admired", "blocked", "carried", "followed", "found", "helped", "moved", "passed", "reached", "touched")
_ADJECTIVES = ("big", "bright", "calm", "dark", "old", "quick", "small", "tall", "young", "wild")
_PREPOSITIONS = ("near", "behind", "beside", "above", "with", "without")
_ADVERBS = ("often", "always", "never", "rarely", "still", "soon")
_VOCABULARY = (
    *("[PAD]", "[CLS]", "[SEP]", "the", "was", "by"),
    *(noun for nouns in _NOUNS.values() for noun in nouns),
    *_VERBS,
    *_ADJECTIVES,
    *_PREPOSITIONS,
    *_ADVERBS,
)
_NUMBER = {word: number for number, word in enumerate(_VOCABULARY)}


def make_roles_task(*, train: int = 20_000, evaluation: int = 2_000, seed: int = 0) -> Task:
    """Draw the task's sentences.

    Parameters
    ----------
    train, evaluation
        Number of sentences; all are different.
    seed
        Of the draw: the same seed gives the same task.
    """
    if train < 1 or evaluation < 1:
        raise InvalidInputError(f"train and evaluation must be 1 or more, got {train} and {evaluation}.")
    rng = np.random.default_rng(seed)
    rows: dict[tuple[int, ...], dict[str, Any]] = {}
    while len(rows) < train + evaluation:
        words, actor_class = _sentence(rng)
        tokens = tuple(_NUMBER[word] for word in ("[CLS]", *words, "[SEP]"))
        rows[tokens] = {"input_ids": list(tokens), "labels": _CLASSES.index(actor_class)}
    examples = list(rows.values())
    return Task(
        name="roles",
        train=Examples(examples[evaluation:]),
        evaluation=Examples(examples[:evaluation]),
        outputs=len(_CLASSES),
        metric="accuracy",
        collate=_collate,
        words=_words,
        special=frozenset(_NUMBER[word] for word in ("[PAD]", "[CLS]", "[SEP]")),
    )


def small_bert(*, seed: int = 0) -> BertForSequenceClassification:
    """Give a BERT with random weights that fits the embedded task: 4 layers of 4 heads and 8 neuron blocks of 64."""
    config = BertConfig(
        vocab_size=len(_VOCABULARY),
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=512,
        max_position_embeddings=32,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        num_labels=len(_CLASSES),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BertForSequenceClassification(config)


def _sentence(rng: Generator) -> tuple[list[str], str]:
    """Draw the words of a sentence and the class of its actor."""
    actor_class = _pick(rng, _CLASSES)
    actor = _phrase(rng, actor_class)
    patient = _phrase(rng, _pick(rng, _CLASSES))
    adverb = [_pick(rng, _ADVERBS)] if rng.random() < 0.3 else []
    verb = _pick(rng, _VERBS)
    if rng.random() < 0.5:
        return [*actor, *adverb, verb, *patient], actor_class
    return [*patient, "was", *adverb, verb, "by", *actor], actor_class


def _phrase(rng: Generator, noun_class: str) -> list[str]:
    """Draw a noun phrase, in half of the cases followed by a modifier with a noun of any class."""
    phrase = _noun_phrase(rng, noun_class)
    if rng.random() < 0.5:
        phrase += [_pick(rng, _PREPOSITIONS), *_noun_phrase(rng, _pick(rng, _CLASSES))]
    return phrase


def _noun_phrase(rng: Generator, noun_class: str) -> list[str]:
    adjective = [_pick(rng, _ADJECTIVES)] if rng.random() < 0.3 else []
    return ["the", *adjective, _pick(rng, _NOUNS[noun_class])]


def _pick(rng: Generator, words: tuple[str, ...]) -> str:
    return words[rng.integers(len(words))]


def _words(tokens: Sequence[int]) -> list[str]:
    return [_VOCABULARY[token] for token in tokens]


def _collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Pad a batch: input_ids and attention_mask of shape (batch, longest), labels of shape (batch,)."""
    longest = max(len(row["input_ids"]) for row in rows)
    padding = _NUMBER["[PAD]"]
    tokens = torch.tensor([row["input_ids"] + [padding] * (longest - len(row["input_ids"])) for row in rows])
    return {
        "input_ids": tokens,
        "attention_mask": (tokens != padding).long(),
        "labels": torch.tensor([row["labels"] for row in rows]),
    }
