"""A language model, a tokenizer and a few articles that fit in a test."""

import lzma
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

__all__ = ["END", "TRAIN", "VALID", "byte_tokenizer", "small_llama", "write_wikitext"]

END = "<|endoftext|>"
TRAIN = [f"= Article {number} =\n" + f"The river {number} runs to the sea.\n" * (number + 2) for number in range(6)]
VALID = [
    " ",
    " = The sea = ",
    " ",
    ' The " old " sea ( 1 @,@ 200 m ) , a well @-@ known one , isn \'t near . ',
    " The river runs to the sea ; the sea is <unk> . ",
    " ",
    " = = Life = = ",
    " ",
    " Fish live in the sea . ",
]


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A token for each byte, and one for the end of a text: 257."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    numbers = {token: number for number, token in enumerate([END, *alphabet])}
    bytes_ = Tokenizer(models.BPE(numbers, []))
    bytes_.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=bytes_, bos_token=END, eos_token=END)


def small_llama(*, layers: int = 2, positions: int = 64) -> LlamaForCausalLM:
    """4 query heads in 2 groups, random weights that tell tokens apart; without layers, only the last token counts."""
    set_seed(1)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=257,
            hidden_size=32,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=128,
            max_position_embeddings=positions,
            initializer_range=0.2,
            bos_token_id=0,
            eos_token_id=0,
            tie_word_embeddings=True,
        )
    ).eval()


def write_wikitext(folder: Path, *, compressed: bool = True) -> Path:
    """Write articles to train on, and validation and test text."""
    folder.mkdir(exist_ok=True)
    articles = "\n".join(TRAIN)
    if compressed:
        (folder / "articles.train.txt.xz").write_bytes(lzma.compress(articles.encode()))
    else:
        (folder / "articles.train.txt").write_text(articles, encoding="utf-8")
    for name, lines in (("valid", VALID), ("test", VALID[:5])):
        (folder / f"wiki.{name}.tokens").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return folder
