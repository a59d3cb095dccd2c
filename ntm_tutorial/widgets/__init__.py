"""Explorers: sliders beside a figure, one for each idea.

Each function returns a box: controls, a picture, and its numbers in words. Show it as the last line
of a cell::

    from ntm_tutorial import widgets
    widgets.repeat_copy_explorer()

To watch a model of your own, and a sequence of your own::

    widgets.repeat_copy_explorer(models={"mine": model}, sequence=bits)

What an explorer draws is a function of its settings alone, ``explorer.draw(**settings)``; the class
``Explorer`` ties it to the controls. Only what ipywidgets 7.7 and 8 share is used here: Colab has
the former.
"""

from ntm_tutorial.widgets.addressing import MEMORY, addressing_explorer
from ntm_tutorial.widgets.copying import copy_explorer, repeat_copy_explorer
from ntm_tutorial.widgets.explorer import Drawing, Explorer
from ntm_tutorial.widgets.ngrams import ngrams_explorer, parse_bits
from ntm_tutorial.widgets.recalling import associative_recall_explorer
from ntm_tutorial.widgets.shelf import Models, Run, Shelf
from ntm_tutorial.widgets.sorting import priority_sort_explorer

__all__ = [
    "MEMORY",
    "Drawing",
    "Explorer",
    "Models",
    "Run",
    "Shelf",
    "addressing_explorer",
    "associative_recall_explorer",
    "copy_explorer",
    "ngrams_explorer",
    "parse_bits",
    "priority_sort_explorer",
    "repeat_copy_explorer",
]
