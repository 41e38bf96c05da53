"""An exchange economy of agents: a price that is called out, or trade by trade on a network."""

__all__: list[str] = []
