"""Trained models that come with the package: one safetensors file per task and model."""

import copy
import platform
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from ntm_tutorial import storage
from ntm_tutorial.checks import telling
from ntm_tutorial.evaluation import answer, evaluating, fitted, testing_seed, wrong
from ntm_tutorial.recipes import ALL_RECIPES, Recipe, recipe
from ntm_tutorial.tasks import ALL_TASKS, Task
from ntm_tutorial.training import History

FOLDER = Path(__file__).parent
LARGE = 300_000
"""A model of more weights is stored in half precision, so that the package stays small: where that
changes none of its answers in ``CHECKED`` sequences."""
CHECKED = 1_000


class Pretrained(NamedTuple):
    """A trained model and how it came about."""

    model: nn.Module
    task: Task
    recipe: Recipe
    history: History


def available() -> list[tuple[str, str]]:
    """List the (task, model) pairs that ``load`` knows, in the order of the recipes."""
    return [pair for pair, plan in ALL_RECIPES.items() if path(plan).is_file()]


@telling
def load(task_name: str, model_name: str) -> Pretrained:
    """Load a trained model, ready for use.

    Args:
        task_name: such as ``"copy"``.
        model_name: such as ``"ntm-feedforward"``, ``"ntm-lstm"`` or ``"lstm"``; ``available()``
            lists all.

    Raises:
        ValueError: if there is no such task, model or file, or the file is damaged, was edited or
            does not fit the recipe.
    """
    wanted = recipe(task_name, model_name)
    if (task_name, model_name) not in available():
        raise ValueError(
            f"no trained {model_name} for {task_name} comes with this version; available: "
            f"{', '.join('/'.join(pair) for pair in available()) or 'none'}"
        )
    return load_file(path(wanted))


@telling
def load_file(file: str | Path) -> Pretrained:
    """Load a model from a file that ``save_file`` or ``ntm-tutorial train`` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, was edited or does not fit its recipe.
    """
    tensors, about = storage.load(file)
    if about.get("kind") != "model":
        raise ValueError(f"path: {Path(file).name} holds no trained model; is it a checkpoint?")
    try:
        plan, history = Recipe.described(about["recipe"]), History(**about["history"])
        plan = replace(plan, seed=about.get("seed", plan.seed))
        count = sum(tensor.numel() for tensor in tensors.values())
        for name, size in plan.network.items():
            if isinstance(size, int) and size > count:  # none is larger than what it makes
                raise ValueError(f"{name} is {size}, but there are {count} weights")
        with torch.device("meta"):  # a model without memory: its shapes cost nothing
            model = plan.build()
        model.load_state_dict(_numbers(tensors), assign=True)
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        words = " ".join(str(error).split())  # PyTorch gives a line to each weight
        raise ValueError(
            f"path: {Path(file).name} does not fit its recipe: {words:.300}"
        ) from error
    return Pretrained(model.eval(), ALL_TASKS[plan.task], plan, history)


def _numbers(tensors: storage.Tensors) -> storage.Tensors:
    """Copy weights, as numbers of the usual type; refuse what is not finite, or no number."""
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not bool(tensor.isfinite().all()):
            raise ValueError(f"{name} holds {tensor.dtype} where finite numbers are expected")
    usual = torch.get_default_dtype()
    return {name: tensor.to(usual, copy=True) for name, tensor in tensors.items()}


@telling
def save_file(
    file: str | Path, model: nn.Module, plan: Recipe, history: History, seed: int
) -> None:
    """Write a trained model with its recipe, seed, versions and learning curve.

    A model of more than ``LARGE`` weights is rounded to half precision on the way, unless that
    changes an answer.
    """
    about: dict[str, Any] = {
        "kind": "model",
        "recipe": plan.describe(),
        "seed": seed,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "history": asdict(history),
    }
    tensors = model.state_dict()
    if sum(tensor.numel() for tensor in tensors.values()) > LARGE:
        rounded = {name: tensor.half() for name, tensor in tensors.items()}
        if _answers_alike(model, rounded, ALL_TASKS[plan.task]):
            tensors = rounded
    storage.save(file, tensors, about)


@torch.no_grad()
def _answers_alike(model: nn.Module, weights: storage.Tensors, task: Task) -> bool:
    """Tell whether a model gives the same answers with other weights, over the training range."""
    other = copy.deepcopy(model)
    other.load_state_dict(weights)
    generator = torch.Generator().manual_seed(testing_seed(0))
    with evaluating(model), evaluating(other):
        for _ in range(0, CHECKED, 100):
            episode = fitted(task.sample(100, generator=generator), model)
            ours, theirs = (wrong(answer(one, episode), episode) for one in (model, other))
            if not torch.equal(ours, theirs):
                return False
    return True


def path(plan: Recipe) -> Path:
    """Return where the package keeps the trained model of a recipe."""
    return FOLDER / f"{plan.task}_{plan.model}.safetensors"
