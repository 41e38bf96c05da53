"""Reading an economy: who got the compute, at what price, and what a unit more would be worth."""

from walras.llm.analysis.attention_maps import AttentionMaps, attention_maps
from walras.llm.analysis.attention_measures import attention_measures
from walras.llm.analysis.report import EconomyReport, make_report
from walras.llm.analysis.shadow_prices import shadow_prices
from walras.llm.analysis.tokens import token_table, tokens_by
from walras.llm.analysis.use import allocation_map, budget_table, layer_table

__all__ = [
    "AttentionMaps",
    "EconomyReport",
    "allocation_map",
    "attention_maps",
    "attention_measures",
    "budget_table",
    "layer_table",
    "make_report",
    "shadow_prices",
    "token_table",
    "tokens_by",
]
