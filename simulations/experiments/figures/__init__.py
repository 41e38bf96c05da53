"""Figures of the experiments, a module each; drawn from stored tables alone."""
