"""Neural Turing Machines, step by step: the helper package of the book.

Read it from the ground up; a file imports only from those above it in this list::

    addressing  memory  tasks        Equations 2 to 9 and the five tasks, as plain functions
    heads       controllers  fused   what emits the parameters of those equations; the same, faster
    ntm         lstm                 the machine, and the network it is compared with
    evaluation  recipes              how to score a model; every setting, the paper's and ours
    training    pretrained  storage  the training loop; models that come trained; files
    results     sweeps               what came of training runs; many of them at a time
    plots       diagrams             pictures for the book
    widgets     playground  cli      explorers with sliders; machines for the book's pages; commands
"""

from ntm_tutorial import pretrained
from ntm_tutorial.evaluation import Evaluation, bits_per_sequence, evaluate, sweep, wrong_bits
from ntm_tutorial.lstm import LSTMBaseline
from ntm_tutorial.ntm import NTM, NTMState, NTMTrace
from ntm_tutorial.recipes import RECIPES, Recipe, recipe
from ntm_tutorial.tasks import TASKS, Episode, Task
from ntm_tutorial.training import History, train

__all__ = [
    "NTM",
    "RECIPES",
    "TASKS",
    "Episode",
    "Evaluation",
    "History",
    "LSTMBaseline",
    "NTMState",
    "NTMTrace",
    "Recipe",
    "Task",
    "bits_per_sequence",
    "evaluate",
    "pretrained",
    "recipe",
    "sweep",
    "train",
    "wrong_bits",
]
