"""Language tasks to train on and score: an embedded one, GLUE, and language modelling on WikiText-103."""

from walras.llm.tasks.glue import GLUE, load_glue
from walras.llm.tasks.language import ScoredText
from walras.llm.tasks.roles import make_roles_task, small_bert
from walras.llm.tasks.task import LOWER_IS_BETTER, METRICS, Examples, Task, kept_of_dense
from walras.llm.tasks.wikitext import load_wikitext
from walras.llm.tasks.wikitext_files import WIKITEXT

__all__ = [
    "GLUE",
    "LOWER_IS_BETTER",
    "METRICS",
    "WIKITEXT",
    "Examples",
    "ScoredText",
    "Task",
    "kept_of_dense",
    "load_glue",
    "load_wikitext",
    "make_roles_task",
    "small_bert",
]
