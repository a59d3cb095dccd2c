"""The paper's five tasks, each in a file of its own: ``TASKS[name].sample(batch_size)``."""

from ntm_tutorial.tasks.associative_recall import AssociativeRecall
from ntm_tutorial.tasks.base import Episode, Task
from ntm_tutorial.tasks.copy import Copy
from ntm_tutorial.tasks.dynamic_ngrams import DynamicNGrams
from ntm_tutorial.tasks.priority_sort import PrioritySort
from ntm_tutorial.tasks.repeat_copy import RepeatCopy

TASKS: dict[str, Task] = {
    task.name: task
    for task in (Copy(), RepeatCopy(), AssociativeRecall(), DynamicNGrams(), PrioritySort())
}
"""The five tasks, by name. The names are those of the files, with hyphens, as in "repeat-copy"."""

__all__ = ["TASKS", "Episode", "Task"]
