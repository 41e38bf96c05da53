"""Learning in repeated games and markets: best response, fictitious play, reinforcement, regret and expectations."""

__all__: list[str] = []
