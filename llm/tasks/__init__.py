"""Language tasks to train on and score: an embedded one, and GLUE."""

from walras.llm.tasks.glue import GLUE, load_glue
from walras.llm.tasks.roles import make_roles_task, small_bert
from walras.llm.tasks.task import METRICS, Examples, Task

__all__ = ["GLUE", "METRICS", "Examples", "Task", "load_glue", "make_roles_task", "small_bert"]
