"""The commands of `walras` that are about experiments, each a typed function; `walras.simulations.cli` names them.

What a command needs is imported when it runs, so that `walras --help` stays quick.
"""
