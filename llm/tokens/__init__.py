"""A market of tokens: at some layers tokens buy their processing, and those that do not are passed by."""

from walras.llm.tokens.callback import TokenCallback
from walras.llm.tokens.config import TokenConfig
from walras.llm.tokens.economy import TokenEconomy, attach_tokens
from walras.llm.tokens.ledger import Recording
from walras.llm.tokens.market import TokenMarket
from walras.llm.tokens.report import TokenReport
from walras.llm.tokens.support import SUPPORTED

__all__ = [
    "SUPPORTED",
    "Recording",
    "TokenCallback",
    "TokenConfig",
    "TokenEconomy",
    "TokenMarket",
    "TokenReport",
    "attach_tokens",
]
