"""walras: one market mechanism, studied in isolation and inside a Transformer.

The code stands in the four folders `market`, `agents`, `llm` and `simulations` at the root of the repository; this
package holds links to them, so that they are imported as `walras.market` and so on. A checkout made without symbolic
links (some Windows set-ups) finds them through `__path__` instead.
"""

from pathlib import Path

__version__ = "0.1.0"
__all__ = ["__version__"]

_repository_root = Path(__file__).resolve().parents[2]
if not (Path(__file__).parent / "market").is_dir() and (_repository_root / "market").is_dir():
    __path__.append(str(_repository_root))
