"""One memory step with its gradient written by hand: the equations again, faster.

``ntm.memory_step`` says what an NTM computes; this file computes the same in one
``torch.autograd.Function``. Recording some forty small operations a step costs more than running
them, and a hand-written backward pass also needs fewer passes over the memory, the largest tensor.
The tests compare the two, values and gradients. Shapes as there; ``H = R + W``.

What the gradient by hand cannot do, the plain step does: half precision, transforms of
``torch.func``, and gradients of gradients.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ntm_tutorial import ntm
from ntm_tutorial.addressing import NORM_FLOOR
from ntm_tutorial.heads import HeadParameters

EXACT = (torch.float32, torch.float64)
"""Types in which a square has room beside the norm's floor."""


def memory_step(
    memory: Float[Tensor, "B N M"],
    previous: Float[Tensor, "B H N"],
    head: HeadParameters,
) -> tuple[Float[Tensor, "B N M"], Float[Tensor, "B H N"], Float[Tensor, "B R M"]]:
    """Move all heads (Eqs. 5-9), read (Eq. 2), erase and add (Eqs. 3, 4).

    Returns:
        the new memory, the new weightings, and what the read heads read before the write.
    """
    transformed = not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active()
    if transformed or memory.dtype not in EXACT:
        return ntm.memory_step(memory, previous, head)
    return _MemoryStep.apply(memory, previous, *head)


class _MemoryStep(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        memory: Tensor,
        previous: Tensor,
        key: Tensor,
        strength: Tensor,
        gate: Tensor,
        shifts: Tensor,
        sharpening: Tensor,
        erase: Tensor,
        add: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        # Content, Eqs. 5 and 6
        cells = memory.transpose(1, 2).contiguous()
        row_scale = _inverse_norm(cells, dim=1)
        key_scale = _inverse_norm(key, dim=2)
        similarity = _along(key, cells).mul_(row_scale).mul_(key_scale)
        content = torch.softmax(strength * similarity, dim=-1)
        # Interpolation, shift and sharpening, Eqs. 7 to 9
        gated = _pad(torch.lerp(previous, content, gate), shifts)
        shifted = _slide(gated, shifts.flip(-1)).add_(torch.finfo(memory.dtype).tiny)
        log_shifted = shifted.log()
        weighting = torch.softmax(sharpening * log_shifted, dim=-1)
        # Read, Eq. 2, then erase head by head, Eq. 3, and add, Eq. 4
        reading, writing = _split(weighting, erase)
        reads = _across(reading, cells)
        stages = [cells]
        for h in range(erase.shape[1]):
            outer = erase[:, h, :, None] * writing[:, h, None, :]
            stages.append(torch.addcmul(stages[-1], stages[-1], outer, value=-1))
        new_memory = _add_outer(stages.pop(), add, writing).transpose(1, 2)
        ctx.save_for_backward(
            memory, previous, key, strength, gate, shifts, sharpening, erase, add,
            row_scale, key_scale, similarity, content, gated, shifted, log_shifted, weighting,
            *stages,
        )  # fmt: skip
        return new_memory, weighting, reads

    @staticmethod
    def backward(
        ctx: Any, grad_memory: Tensor, grad_weighting: Tensor, grad_reads: Tensor
    ) -> tuple[Tensor, ...]:
        if torch.is_grad_enabled() and not torch.compiler.is_compiling():
            grads = (grad_memory, grad_weighting, grad_reads)
            return _plain_gradients(ctx.saved_tensors[:9], grads)
        (
            _, previous, key, strength, gate, shifts, sharpening, erase, add,
            row_scale, key_scale, similarity, content, gated, shifted, log_shifted, weighting,
            *stages,
        ) = ctx.saved_tensors  # fmt: skip
        cells, grad_cells = stages[0], grad_memory.transpose(1, 2).contiguous()
        reading, writing = _split(weighting, erase)
        # Add, Eq. 4
        grad_add = _across(writing, grad_cells)
        grad_writing = _along(add, grad_cells)
        # Erase, Eq. 3, from the last head to the first
        grad_erase = torch.empty_like(erase)
        for h in reversed(range(erase.shape[1])):
            w, e = writing[:, h : h + 1], erase[:, h : h + 1]
            product = grad_cells * stages[h]
            grad_erase[:, h : h + 1] = _across(w, product)
            grad_writing[:, h : h + 1] -= _along(e, product)
            grad_cells = torch.addcmul(grad_cells, grad_cells, e.transpose(1, 2) * w, value=-1)
        # Read, Eq. 2
        grad_reading = _along(grad_reads, cells)
        grad_cells = _add_outer(grad_cells, grad_reads, reading)
        # Sharpening, Eq. 9
        grad = torch.cat([grad_reading, grad_writing], dim=1).add_(grad_weighting)
        grad = _softmax_gradient(weighting, grad)
        grad_sharpening = (grad * log_shifted).sum(-1, keepdim=True)
        grad = grad.mul_(sharpening).div_(shifted)
        # Shift, Eq. 8
        count, locations = shifts.shape[-1], grad.shape[-1]
        grad_shifts = torch.stack(
            [(grad * gated[..., k : k + locations]).sum(-1) for k in reversed(range(count))], dim=-1
        )
        grad = _slide(_pad(grad, shifts), shifts)
        # Interpolation, Eq. 7
        grad_gate = (grad * (content - previous)).sum(-1, keepdim=True)
        grad_content = grad * gate
        grad_previous = grad.sub_(grad_content)
        # Content, Eq. 5, and similarity, Eq. 6
        grad = _softmax_gradient(content, grad_content)
        grad_strength = (grad * similarity).sum(-1, keepdim=True)
        grad = grad.mul_(strength)
        along = grad * similarity  # what only changes a length, and so changes no cosine
        grad = grad.mul_(row_scale).mul_(key_scale)
        grad_key = _across(grad, cells)
        grad_key -= key * along.sum(-1, keepdim=True) * key_scale.square()
        grad_cells = _add_outer(grad_cells, key, grad)
        grad_cells.addcmul_(cells, along.sum(1, keepdim=True).mul_(row_scale.square()), value=-1)
        return (
            grad_cells.transpose(1, 2), grad_previous, grad_key, grad_strength, grad_gate,
            grad_shifts, grad_sharpening, grad_erase.neg_(), grad_add,
        )  # fmt: skip


def _plain_gradients(given: tuple[Tensor, ...], grads: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Take the gradient through the plain step, in a way that has a gradient itself."""
    given = tuple(one if one.requires_grad else one.detach().requires_grad_() for one in given)
    found = ntm.memory_step(given[0], given[1], HeadParameters(*given[2:]))
    return torch.autograd.grad(found, given, grads, create_graph=True)


def _inverse_norm(vectors: Tensor, dim: int) -> Tensor:
    """Return one over each vector's length."""
    return vectors.square().sum(dim, keepdim=True).clamp_(min=NORM_FLOOR**2).rsqrt_()


def _split(weighting: Tensor, erase: Tensor) -> tuple[Tensor, Tensor]:
    """Split all weightings into the read heads' and the write heads'."""
    read_heads = weighting.shape[1] - erase.shape[1]
    return weighting[:, :read_heads], weighting[:, read_heads:]


def _pad(weighting: Tensor, shifts: Tensor) -> Tensor:
    """Continue a weighting round the circle by the shift range at both ends."""
    reach, locations = shifts.shape[-1] // 2, weighting.shape[-1]
    return torch.cat(
        [weighting[..., locations - reach :], weighting, weighting[..., :reach]], dim=-1
    )


def _slide(padded: Tensor, taps: Tensor) -> Tensor:
    """Weigh each window of a padded weighting by the taps."""
    count = taps.shape[-1]
    locations = padded.shape[-1] - count + 1
    total = padded[..., :locations] * taps[..., :1]
    for k in range(1, count):
        total.addcmul_(padded[..., k : k + locations], taps[..., k : k + 1])
    return total


def _softmax_gradient(output: Tensor, grad: Tensor) -> Tensor:
    """Take a gradient back through a softmax, given its output."""
    return torch.ops.aten._softmax_backward_data(grad, output, -1, output.dtype)


# Each of these three has two forms. A library's product of matrices is fastest when called by
# itself; sums that a compiler sees it merges with their neighbours, and the memory is passed over
# less often.


def _along(vectors: Tensor, cells: Tensor) -> Tensor:
    """Multiply each head's vector (B, H, M) and the cells (B, M, N): (B, H, N)."""
    if torch.compiler.is_compiling():
        return (vectors.unsqueeze(-1) * cells.unsqueeze(1)).sum(2)
    return vectors @ cells


def _across(weighting: Tensor, cells: Tensor) -> Tensor:
    """Weigh the columns of the cells (B, M, N) by each head's weighting (B, H, N): (B, H, M)."""
    if torch.compiler.is_compiling():
        return (weighting.unsqueeze(2) * cells.unsqueeze(1)).sum(-1)
    return weighting @ cells.transpose(1, 2)


def _add_outer(cells: Tensor, vectors: Tensor, weighting: Tensor) -> Tensor:
    """Add to the cells (B, M, N) each head's vector (B, H, M) times its weighting (B, H, N).

    It may change the cells that it is given.
    """
    if torch.compiler.is_compiling():
        return cells + (vectors.unsqueeze(-1) * weighting.unsqueeze(2)).sum(1)
    return cells.baddbmm_(vectors.transpose(1, 2), weighting)
