"""How an architecture is described: the names of the layers that an economy gates and that export cuts.

A gate multiplies the *input* of an output projection, where the heads stand side by side (attention) and the neurons do
(feed-forward network); this is exactly the same as scaling the projection's columns.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias, final

from walras.market.errors import InvalidInputError

__all__ = ["Architecture", "Attention", "FeedForward", "Stack"]


@final
@dataclass(frozen=True)
class Attention:
    """The names of one attention sub-layer, relative to its layer.

    Parameters
    ----------
    module
        The module that turns hidden states into attention output; replaced when all its heads are removed.
    inputs
        Query, key and value projections, in this order; or the one projection that holds all three, one behind the
        other.
    output
        The output projection, whose input is gated.
    dropout
        A dropout applied inside `module` after its output projection, if there is one.
    pre_norm
        The normalisation of the sub-layer's input alone, if there is one: without heads it is not computed.
    post_norm
        The normalisation of the sub-layer's output before it joins the residual stream, if there is one.
    cross
        Whether keys and values come from another stack.
    shared_bias
        Whether `module` takes and gives back a bias of the scores, one row per head, that the first layer computes for
        all (T5).
    """

    module: str
    inputs: tuple[str, ...]
    output: str
    dropout: str | None = None
    pre_norm: str | None = None
    post_norm: str | None = None
    cross: bool = False
    shared_bias: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", _names("Attention.inputs", self.inputs))
        if len(self.inputs) not in (1, 3):
            raise InvalidInputError(
                "Attention.inputs names query, key and value, or the one projection that holds all three; "
                f"got {self.inputs!r}."
            )

    @property
    def fused(self) -> bool:
        """Whether query, key and value come from one projection, one behind the other."""
        return len(self.inputs) == 1


@final
@dataclass(frozen=True)
class FeedForward:
    """The names of one feed-forward network, relative to its layer.

    Parameters
    ----------
    inputs
        The projections into the neurons: one, two under a gated activation, or the one that holds both, one behind the
        other.
    output
        The output projection, whose input is gated.
    pre_norm, post_norm
        As for `Attention`.
    """

    inputs: tuple[str, ...]
    output: str
    pre_norm: str | None = None
    post_norm: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", _names("FeedForward.inputs", self.inputs))


SublayerNames: TypeAlias = Attention | FeedForward


@final
@dataclass(frozen=True)
class Stack:
    """A list of layers that are built alike.

    Parameters
    ----------
    layers
        The list's name, relative to the base model (`model.base_model`).
    sublayers
        The sub-layers of each layer, in the order in which they are computed.
    entry
        The module by which every forward pass enters the layers, relative to the base model (`""`, itself): the market
        clears before it. By default the module that holds the list.
    """

    layers: str
    sublayers: tuple[SublayerNames, ...]
    entry: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "sublayers", tuple(self.sublayers))
        for names in self.sublayers:
            if not isinstance(names, SublayerNames):
                raise InvalidInputError(f"Stack.sublayers holds Attention and FeedForward, got {names!r}.")


@final
@dataclass(frozen=True)
class Architecture:
    """Where the agents of a model live: what `walras.llm.attach` needs to know about a `model_type`.

    Parameters
    ----------
    stacks
        One stack; or an encoder and a decoder. A stack that a model's class lacks (`T5EncoderModel`) is passed over.

    Examples
    --------
    >>> from walras.llm import Architecture, Attention, FeedForward, Stack
    >>> attention = Attention("attn", inputs=("attn.q", "attn.k", "attn.v"), output="attn.o")
    >>> feed_forward = FeedForward(inputs=("mlp.gate_proj", "mlp.up_proj"), output="mlp.down_proj")
    >>> mine = Architecture((Stack("layers", (attention, feed_forward)),))
    >>> Architecture.from_dict(mine.as_dict()) == mine
    True
    """

    stacks: tuple[Stack, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "stacks", tuple(self.stacks))
        if not self.stacks or not all(isinstance(stack, Stack) for stack in self.stacks):
            raise InvalidInputError(f"Architecture.stacks holds one Stack or more, got {self.stacks!r}.")

    def as_dict(self) -> dict[str, Any]:
        """Give the names as plain lists and dictionaries, as a model's config holds them."""
        return {
            "stacks": [
                {
                    "layers": stack.layers,
                    "entry": stack.entry,
                    "sublayers": [{"kind": type(names).__name__, **asdict(names)} for names in stack.sublayers],
                }
                for stack in self.stacks
            ]
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Architecture":
        """Give the architecture that `as_dict` wrote; raise `InvalidInputError` if it wrote something else."""
        kinds = {"Attention": Attention, "FeedForward": FeedForward}
        try:
            return cls(
                tuple(
                    Stack(
                        stack["layers"],
                        tuple(
                            kinds[names["kind"]](**{key: value for key, value in names.items() if key != "kind"})
                            for names in stack["sublayers"]
                        ),
                        stack["entry"],
                    )
                    for stack in plain["stacks"]
                )
            )
        except (KeyError, TypeError) as error:
            raise InvalidInputError(f"Not the description of an architecture: {error!r} in {plain!r}.") from error


def _names(what: str, names: Any) -> tuple[str, ...]:
    if isinstance(names, str) or not names or not all(isinstance(name, str) for name in names):
        raise InvalidInputError(f"{what} is a tuple of names of modules, got {names!r}.")
    return tuple(names)
