"""Compiled training: the steps of an NTM as machine code, several a call.

A step of an NTM is dozens of small operations on small tensors. Starting them one by one from
Python takes longer than running them; ``torch.compile`` merges them and starts them from C++.
"""

import copy
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from ntm_tutorial.ntm import NTMState

COMPILED_STEPS = 4
"""Steps per compiled call: fewer cost more calls, more cost minutes of compiling. What is left at
the end of a sequence is called step by step."""
EAGER = "torch.compile does not work here, so training goes on without it, several times slower: {}"


class NotCompiled(UserWarning):
    """Training goes on without compiled steps."""


Advance = Callable[[Tensor, NTMState], tuple[Tensor, NTMState]]


@contextmanager
def compiled(model: nn.Module, batch_size: int) -> Iterator[Any]:
    """Yield what runs the model on machine code, as long as the context lasts.

    It is called like the model and has the model's weights; the model itself stays as it is. Only
    calls with batches of this size that record a gradient are compiled. Without a compiler, or
    where PyTorch's fails, a warning says so and the steps run as they are. A model that has no
    steps, such as an LSTM, which is one fused call already, is yielded itself.
    """
    if not hasattr(model, "advance_all"):
        yield model
        return
    run: Any = copy.copy(model)  # with the weights, the parts and the hooks of the model
    run.advance_all = _in_chunks(run.advance_all, batch_size)
    try:
        yield run
    finally:
        torch.compiler.reset()  # else the code of many models would add up, to a limit


def _in_chunks(plain: Advance, batch_size: int) -> Advance:
    works = True

    @cache
    def compile_once() -> Advance:
        return torch.compile(plain, dynamic=False, options=options())

    def in_chunks(inputs: Tensor, state: NTMState) -> tuple[Tensor, NTMState]:
        nonlocal works
        if not works or not torch.is_grad_enabled() or inputs.shape[1] != batch_size:
            return plain(inputs, state)  # other shapes would have to be compiled anew
        try:
            return _advance_in_chunks(compile_once(), inputs, state)
        except (RuntimeError, ImportError) as error:
            works, reason = False, (str(error).strip() or repr(error)).splitlines()[0]
        # Outside of the handler: what is wrong with the inputs, too, shall come up by itself.
        answer = plain(inputs, state)
        warnings.warn(EAGER.format(reason), NotCompiled, stacklevel=2)
        return answer

    return in_chunks


def options() -> dict[str, Any]:
    """Say how to compile: options of ``torch.compile``."""
    from torch._inductor import config  # takes a while, and is PyTorch's own affair

    return {
        # Called from Python, as by default, the kernels would wait for it half of the time.
        "cpp_wrapper": True,
        # Multiply and add in one instruction. Older versions of PyTorch only want to know whether.
        "cpp.enable_floating_point_contract_flag": type(
            config.cpp.enable_floating_point_contract_flag
        )("fast"),
    }


def _advance_in_chunks(
    advance: Advance, inputs: Tensor, state: NTMState
) -> tuple[Tensor, NTMState]:
    # The first state is made like all later ones, so that the same code serves them all: with
    # memory of its own for every tensor, laid out as the fused step lays it out, and a gradient.
    state = tree_map(torch.clone, state)
    state = state._replace(memory=state.memory.transpose(1, 2).contiguous().transpose(1, 2))
    if not state.memory.requires_grad:
        state.memory.requires_grad_()
    whole, features = len(inputs) - len(inputs) % COMPILED_STEPS, []
    for chunk in (*inputs[:whole].split(COMPILED_STEPS), *inputs[whole:].split(1)):
        if len(chunk):
            feature, state = advance(chunk, state)
            features.append(feature)
    return torch.cat(features), state
