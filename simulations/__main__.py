"""`python -m walras.simulations` is the `walras` command."""

from walras.simulations.cli import main

main()
