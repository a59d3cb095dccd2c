"""Compiled training: the steps of an NTM as machine code, several a call.

A step of an NTM is dozens of small operations on small tensors. Starting them one by one from
Python takes longer than running them; ``torch.compile`` merges them and starts them from C++.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.utils._pytree import tree_map

from ntm_tutorial.ntm import NTM, NTMState

COMPILED_STEPS = 4
"""Steps per compiled call: fewer cost more calls, more cost minutes of compiling."""
EAGER = "torch.compile does not work here, so training goes on without it, several times slower: {}"


class NotCompiled(UserWarning):
    """Training goes on without compiled steps."""


Advance = Callable[[Tensor, NTMState], tuple[Tensor, NTMState]]


@contextmanager
def compiled(model: nn.Module, batch_size: int) -> Iterator[None]:
    """Compile an NTM's steps for batches of this size, as long as the context lasts.

    Only calls that record a gradient use them; an LSTM is one fused call already. Without a
    compiler, or where PyTorch's fails, a warning says so and the steps run as they are.
    """
    if not isinstance(model, NTM):
        yield
        return
    chunked = _in_chunks(model.advance_all, batch_size)
    model.advance_all = chunked  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del model.advance_all
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

    from ntm_tutorial.speed.merging import MergeProducts

    return {
        # Called from Python, as by default, the kernels would wait for it half of the time.
        "cpp_wrapper": True,
        "post_grad_custom_post_pass": MergeProducts(),
        # Multiply and add in one instruction. Older versions of PyTorch only want to know whether.
        "cpp.enable_floating_point_contract_flag": type(
            config.cpp.enable_floating_point_contract_flag
        )("fast"),
    }


def _advance_in_chunks(
    advance: Advance, inputs: Tensor, state: NTMState
) -> tuple[Tensor, NTMState]:
    """Return the features of all steps, and a state that may be past the last."""
    # The first state is made like all later ones, so that one piece of code serves them all:
    # with memory of its own for every tensor, and with a gradient.
    state = tree_map(torch.clone, state)
    if not state.memory.requires_grad:
        state.memory.requires_grad_()
    steps, features = inputs.shape[0], []
    for chunk in pad(inputs, (0, 0, 0, 0, 0, -steps % COMPILED_STEPS)).split(COMPILED_STEPS):
        feature, state = advance(chunk, state)
        features.append(feature)
    return torch.cat(features)[:steps], state
