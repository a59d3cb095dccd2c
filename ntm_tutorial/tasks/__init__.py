"""The paper's five tasks, and ours beside them: ``TASKS[name].sample(batch_size)``."""

from ntm_tutorial.tasks.associative_recall import AssociativeRecall
from ntm_tutorial.tasks.base import Episode, Task
from ntm_tutorial.tasks.copy import Copy
from ntm_tutorial.tasks.dynamic_ngrams import DynamicNGrams
from ntm_tutorial.tasks.fed import Fed
from ntm_tutorial.tasks.priority_sort import PrioritySort
from ntm_tutorial.tasks.rebinding import Rebinding
from ntm_tutorial.tasks.repeat_copy import RepeatCopy
from ntm_tutorial.tasks.ticks import Ticks

TASKS: dict[str, Task] = {
    task.name: task
    for task in (Copy(), RepeatCopy(), AssociativeRecall(), DynamicNGrams(), PrioritySort())
}
"""The five tasks, by name. The names are those of the files, with hyphens, as in "repeat-copy"."""

ALL_TASKS: dict[str, Task] = TASKS | {
    task.name: task for task in (Ticks(), Fed(TASKS["copy"]), Rebinding())
}
"""The paper's tasks, then ours."""

__all__ = ["ALL_TASKS", "TASKS", "Episode", "Task"]
