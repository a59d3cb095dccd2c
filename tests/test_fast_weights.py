"""Fast weights against loops; the NTM's erase beside the delta rule's; the task of rebinding."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ntm_tutorial import memory as ntm_memory
from ntm_tutorial.models.fast_weights import RULES, FastWeights, Writes, read, write, write_all
from ntm_tutorial.tasks import ALL_TASKS
from ntm_tutorial.tasks.base import Episode
from tests.each import each
from tests.loops import Array

B, H, T, N, M = 2, 2, 7, 5, 3


def random_writes(rule: str) -> tuple[Tensor, Writes]:
    """Draw a first memory, and writes of one rule: (B, H, T, ...)."""
    generator = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> Tensor:
        return torch.randn(B, H, *shape, generator=generator, dtype=torch.float64)

    key, query = (torch.nn.functional.normalize(draw(T, N), dim=-1) for _ in range(2))
    memory, add, *gates = draw(N, M), draw(T, M), draw(T, 1).sigmoid(), draw(T, 1).sigmoid()
    alpha, beta = (gate if has else None for gate, has in zip(gates, RULES[rule], strict=True))
    return memory, Writes(key, query, add, alpha, beta)


def loops(memory: Array, writes: Writes) -> tuple[Array, Array]:
    """The rules once more, number by number."""
    memory, reads = memory.copy(), np.zeros((B, H, T, M))
    ones = torch.ones(B, H, T, 1, dtype=torch.float64)
    alphas = (ones if writes.alpha is None else writes.alpha).numpy()
    betas = (ones if writes.beta is None else writes.beta).numpy()
    key, query, add = (part.numpy() for part in writes[:3])
    for b, h, t in np.ndindex(B, H, T):
        table, w, q = memory[b, h], key[b, h, t], query[b, h, t]
        for i, m in np.ndindex(N, M):
            table[i, m] *= alphas[b, h, t, 0]
        for m in range(M):
            held = sum(w[i] * table[i, m] for i in range(N)) if writes.beta is not None else 0.0
            change = betas[b, h, t, 0] * (add[b, h, t, m] - held)
            for i in range(N):
                table[i, m] += w[i] * change
            reads[b, h, t, m] = sum(q[i] * table[i, m] for i in range(N))
    return reads, memory


@each("rule", RULES)
def test_all_steps_at_once_and_one_by_one_are_the_loops(rule: str) -> None:
    memory, writes = random_writes(rule)
    reads, last = loops(memory.numpy(), writes)
    found, end = write_all(memory, writes)
    torch.testing.assert_close(found, torch.from_numpy(reads), rtol=0, atol=1e-10)
    torch.testing.assert_close(end, torch.from_numpy(last), rtol=0, atol=1e-10)
    for t in range(T):
        key, query, add, alpha, beta = (
            None if part is None else part[..., t, :] for part in writes
        )
        memory = write(memory, key, add, alpha=alpha, beta=beta)
        torch.testing.assert_close(read(memory, query), found[..., t, :], rtol=0, atol=1e-10)
    torch.testing.assert_close(memory, end, rtol=0, atol=1e-10)


def test_a_sequence_of_400_is_exact_in_single_precision() -> None:
    """The gradient too, with alphas whose product is far below the smallest number."""
    generator = torch.Generator().manual_seed(2)
    key = torch.nn.functional.normalize(torch.randn(1, 1, 400, 32, generator=generator), dim=-1)
    add = torch.randn(1, 1, 400, 16, generator=generator)
    alpha = torch.full((1, 1, 400, 1), 0.5)
    alpha[..., 100, :] = 0.0
    beta = torch.rand(1, 1, 400, 1, generator=generator)
    writes = Writes(key, key, add, alpha.requires_grad_(), beta.requires_grad_())
    reads, _ = write_all(torch.zeros(1, 1, 32, 16), writes)
    memory = torch.zeros(1, 1, 32, 16)
    for t in range(400):
        k, _, a, keep, erase = (part[..., t, :] for part in writes if part is not None)
        memory = write(memory, k, a, alpha=keep, beta=erase)
        torch.testing.assert_close(read(memory, k), reads[..., t, :], rtol=0, atol=1e-5)
    reads.square().sum().backward()
    assert alpha.grad is not None and alpha.grad.isfinite().all()


class TestBesideTheNTM:
    """Erase vector beta in every column, add vector beta a, and the key as the weighting."""

    def both(self, weighting: list[float], beta: float) -> tuple[Tensor, Tensor, Tensor]:
        generator = torch.Generator().manual_seed(3)
        memory = torch.randn(1, 4, M, generator=generator, dtype=torch.float64)
        add = torch.randn(1, M, generator=generator, dtype=torch.float64)
        w, share = torch.tensor([weighting]).double(), torch.tensor([[beta]]).double()
        erased = ntm_memory.erase(memory, w.unsqueeze(1), share.expand(1, M).unsqueeze(1))
        ntm = ntm_memory.add(erased, w.unsqueeze(1), (share * add).unsqueeze(1))
        return memory, ntm, write(memory, w, add, beta=share)

    @each("beta", [0.0, 0.3, 1.0])
    def test_with_all_weight_on_one_row_they_are_equal(self, beta: float) -> None:
        _, ntm, delta = self.both([0, 0, 1, 0], beta)
        torch.testing.assert_close(ntm, delta, rtol=0, atol=1e-12)

    def test_blurred_they_differ_by_what_the_rows_hold_beyond_the_read(self) -> None:
        w = [0.5, 0.5, 0, 0]
        memory, ntm, delta = self.both(w, 1.0)
        held = read(memory, torch.tensor([w]).double())
        beyond = torch.tensor(w).double().unsqueeze(-1) * (memory - held)
        torch.testing.assert_close(ntm, delta - beyond, rtol=0, atol=1e-12)
        assert beyond.abs().max() > 0.1

    def test_where_the_rows_under_the_head_are_alike_it_makes_no_difference(self) -> None:
        w, beta = torch.tensor([[0.5, 0.5, 0]]), torch.tensor([[1.0]])
        memory, add = torch.tensor([[[2.0], [2.0], [7.0]]]), torch.tensor([[5.0]])
        erased = ntm_memory.erase(memory, w.unsqueeze(1), beta.unsqueeze(1))
        ntm = ntm_memory.add(erased, w.unsqueeze(1), add.unsqueeze(1))
        assert ntm.equal(write(memory, w, add, beta=beta))


def test_only_the_delta_rule_gives_a_key_a_second_value() -> None:
    key = torch.tensor([[0.6, 0.8]])
    first, second = torch.tensor([[1.0]]), torch.tensor([[-2.0]])
    one = torch.ones(1, 1)
    added = write(write(torch.zeros(1, 2, 1), key, first), key, second)
    replaced = write(write(torch.zeros(1, 2, 1), key, first, beta=one), key, second, beta=one)
    assert math.isclose(read(added, key).item(), -1.0, rel_tol=1e-6)
    assert math.isclose(read(replaced, key).item(), -2.0, rel_tol=1e-6)


def test_a_layer_sees_as_many_steps_as_its_convolution_reaches() -> None:
    torch.manual_seed(0)
    model = FastWeights(3, 2, width=8, layers=1, key_width=3, convolution=3).double()
    inputs = torch.rand(6, 1, 3, dtype=torch.float64)
    other = inputs.clone()
    other[0] += 1
    keys, others = (model.trace(x)[1].key for x in (inputs, other))
    changed = (keys != others).flatten(1).any(1)
    assert changed.tolist() == [True, True, True, False, False, False]


@each("rule", RULES)
def test_a_trace_has_ones_for_gates_that_a_rule_lacks(rule: str) -> None:
    torch.manual_seed(0)
    model = FastWeights(3, 2, rule=rule, width=8, key_width=3)
    _, trace = model.trace(torch.rand(4, 2, 3))
    assert trace.memory.shape == (4, 2, 2, 2, 3, 4) and trace.beta.shape == (4, 2, 2, 2, 1)
    gates = (trace.alpha, trace.beta)
    assert [bool((gate != 1).any()) for gate in gates] == list(RULES[rule])
    torch.testing.assert_close(trace.key.norm(dim=-1), torch.ones(4, 2, 2, 2))


@pytest.mark.bad_input
class TestBadInput:
    def test_rule(self) -> None:
        with pytest.raises(ValueError, match=r"^rule: expected one of \['add', .*, got 'hebb'$"):
            FastWeights(3, 2, rule="hebb")

    def test_heads(self) -> None:
        with pytest.raises(ValueError, match=r"^heads: expected to divide the width, 64, got 3$"):
            FastWeights(3, 2, heads=3)

    @each("how", [{"items": 0}, {"bindings": 0}, {"items": 257}])
    def test_rebinding(self, how: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=f"^{next(iter(how))}: expected at "):
            ALL_TASKS["rebinding"].sample(2, **how)


def remembered(episode: Episode, b: int) -> None:
    """Hold one sequence against a dictionary."""
    assert episode.difficulty is not None
    items, bindings = (int(torch.as_tensor(n)[b]) for n in episode.difficulty.values())
    table: dict[tuple[float, ...], Tensor] = {}
    times: dict[tuple[float, ...], int] = {}
    asked = set()
    mask = episode.mask if episode.mask.dim() == 1 else episode.mask[:, b]
    for t, x in enumerate(episode.inputs[:, b]):
        key, value, query = tuple(x[:8].tolist()), x[8:16], x[16]
        assert bool(query) == bool(mask[t]) == (items * bindings <= t < items * (bindings + 1))
        if t < items * bindings:
            table[key], times[key] = value, times.get(key, 0) + 1
            assert not episode.targets[t, b].any()
        elif query:
            assert episode.targets[t, b].equal(table[key]) and not value.any()
            asked.add(key)
        else:
            assert not x.any()
    assert asked == table.keys() and set(times.values()) == {bindings} and len(times) == items


def test_rebinding_asks_every_key_once_for_its_last_value() -> None:
    generator = torch.Generator().manual_seed(4)
    task: Any = ALL_TASKS["rebinding"]
    for how in ({}, {"items": 3, "bindings": 4}, {"items": 1, "bindings": 1}):
        episode = task.sample(20, generator=generator, **how)
        for b in range(20):
            remembered(episode, b)
    assert episode.mask.dim() == 1  # alike in all sequences


def test_rebinding_shuffles_what_it_binds_and_asks() -> None:
    episode = ALL_TASKS["rebinding"].sample(600, items=2, bindings=2)
    first, second, third, fourth = episode.inputs[:4, :, :8].unbind(0)
    same = [(a == b).all(1) for a, b in itertools.pairwise((first, second, third, fourth))]
    together = same[0].double().mean().item()  # k k l l, of six orders two
    assert abs(together - 1 / 3) < 0.08
    assert abs((episode.inputs[4, :, :8] == fourth).all(1).double().mean().item() - 0.5) < 0.08
