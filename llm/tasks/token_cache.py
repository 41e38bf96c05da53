"""Tokens that are made once and kept in a folder."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["cached"]


def cached(folder: Path, make: Callable[[], NDArray[np.int64]], *facts: object) -> NDArray[np.int64]:
    """Give tokens, shape (n,): those that are kept in a folder under the same facts, or made now, and kept.

    A file is renamed into its place when it is whole: a killed process leaves nothing that could be taken for it, and
    of two that make the same tokens at the same time the later one wins.

    Parameters
    ----------
    facts
        All that the tokens depend on; they are told apart by their `repr`.
    """
    path = folder / f"tokens-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}.npy"
    if path.is_file():
        return np.load(path).astype(np.int64)
    tokens = make()
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.stem}.{os.getpid()}.npy")
    np.save(unfinished, tokens.astype(np.int32))
    unfinished.replace(path)
    return tokens
