"""Which agent bids by which policy, and the bids of all of them: each policy is asked once for all that share it."""

from collections.abc import Sequence
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from walras.agents.compute.bidding import Bidders, BiddingPolicy
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, finite_vector

__all__ = ["PolicyAssignment"]

_Group: TypeAlias = tuple[BiddingPolicy, NDArray[np.intp] | None]  # None: all agents


@final
class PolicyAssignment:
    """The policies of n agents.

    Parameters
    ----------
    policy
        One for all, or a sequence of one for each agent. Agents share a policy if it is the same object.
    agents
        Number of agents n.

    Raises
    ------
    InvalidInputError
        Something that is no policy, or another number of them than agents.

    Notes
    -----
    *Cost*: one policy for all costs nothing to look up; a change costs O(n log n) at the next bids.
    """

    def __init__(self, policy: BiddingPolicy | Sequence[BiddingPolicy], agents: int) -> None:
        self._agents = agents
        self._known: list[BiddingPolicy] = []
        self._code_of: dict[int, int] = {}  # by identity; `_known` keeps each alive, so that no identity is used twice
        self._codes = np.zeros(agents, dtype=np.intp)
        self._groups: list[_Group] | None = None
        if isinstance(policy, Sequence):
            if len(policy) != agents:
                raise InvalidInputError(
                    f"policy: expected one for all or one for each of {agents} agents, got {len(policy)}."
                )
            self._codes[:] = [self._code(each) for each in policy]
        else:
            self._code(policy)

    def of(self, agent: int) -> BiddingPolicy:
        """Give the policy of an agent, by its number."""
        return self._known[self._codes[agent]]

    def assign(self, agent: int, policy: BiddingPolicy) -> None:
        """Let an agent bid by another policy from its next bid on."""
        self._codes[agent] = self._code(policy)
        self._groups = None

    def bids(self, bidders: Bidders, rng: np.random.Generator) -> FloatArray:
        """Give the bids of all agents (money per unit), shape (n,); policies in the order of their first bidders.

        Parameters
        ----------
        bidders
            What the n bidders know.
        rng
            What policies draw from.

        Raises
        ------
        InvalidInputError
            Bids that are not finite, above what is affordable, or of the wrong shape.
        """
        bids = np.empty_like(bidders.costs)
        for policy, members in self._grouped():
            group = bidders if members is None else _of(bidders, members)
            chosen = finite_vector(f"Bids of {policy!r}", policy.bids(group, rng), length=group.costs.size)
            bids[slice(None) if members is None else members] = chosen
        beyond = np.flatnonzero(bids > bidders.affordable)
        if beyond.size:
            first = int(beyond[0])
            raise InvalidInputError(
                f"{self.of(first)!r} bids {bids[first]} for agent {first}, who can afford {bidders.affordable[first]} "
                f"({beyond.size} such bids): a policy must bid at most bidders.affordable."
            )
        return bids

    def _code(self, policy: BiddingPolicy) -> int:
        """Give the number under which a policy is known, a new one if it is not."""
        if isinstance(policy, type) or not callable(getattr(policy, "bids", None)):
            raise InvalidInputError(f"A policy has a method bids(bidders, rng), as Truthful() has; got {policy!r}.")
        code = self._code_of.setdefault(id(policy), len(self._known))
        if code == len(self._known):
            self._known.append(policy)
        return code

    def _grouped(self) -> list[_Group]:
        if self._groups is None:
            # A stable sort leaves the members of each group in ascending order, so its first member comes first.
            order = np.argsort(self._codes, kind="stable")
            members = np.split(order, np.flatnonzero(np.diff(self._codes[order])) + 1)
            if len(members) == 1:
                self._groups = [(self.of(0), None)]
            else:
                self._groups = [(self.of(int(each[0])), each) for each in sorted(members, key=lambda each: each[0])]
        return self._groups


def _of(bidders: Bidders, members: NDArray[np.intp]) -> Bidders:
    return Bidders(bidders.valuations[members], bidders.costs[members], bidders.affordable[members])
