"""Neural Turing Machines, step by step: the helper package of the book.

The machine is at the top of the folder; read it from the ground up. A file imports only from those
above it in this list, and ``make lint`` sees to it::

    addressing  memory  heads  controllers  ntm     the machine: Equations 2 to 9, and their order;
                                                    sequence has what every family of models can do
    tasks/                                          the paper's five tasks, and ours
    evaluation                                      how to score a model
    speed/                                          the machine's step again, faster
    models/                                         families: one protocol, one registry
    storage  callbacks  settings  checkpoint        files, and the parts of a training run
    training  recipes                               the loop, and every model's settings
    pretrained/                                     models that come trained
    analysis                                        what the chapters ask of answers and traces
    plots/                                          pictures for the book
    lab/                                            many runs, their results, failures, commands
    widgets/  playground                            explorers; machines for the book's pages
"""

from ntm_tutorial import pretrained
from ntm_tutorial.evaluation import Evaluation, bits_per_sequence, evaluate, sweep, wrong_bits
from ntm_tutorial.models.lstm import LSTMBaseline
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
