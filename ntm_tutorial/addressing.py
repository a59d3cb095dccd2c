"""Addressing: Equations 5 to 9 of the paper, as pure functions.

An NTM decides where to read and write in four stages. Each is one function here, in the paper's
order::

    content_weighting   Eqs. 5, 6   compare a key with every row of the memory
    interpolate         Eq. 7       keep the previous weighting, or take the new one
    shift               Eq. 8       move the focus by a few locations
    sharpen             Eq. 9       undo the blur that a fractional shift leaves

Shapes: ``B`` batch, ``H`` heads, ``N`` memory locations, ``M`` memory width, ``S = 2r + 1`` shifts
for a shift range of ``r``. Every function takes any number of heads and treats each by itself. A
*weighting* has shape ``(B, H, N)``, is nowhere negative and sums to one over ``N``.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ntm_tutorial.checks import check_shapes

NORM_FLOOR = 1e-8
"""A shorter vector counts as having this length, so that a zero vector gives similarity 0."""
HUGE = 2.0**32
"""A vector with larger elements is scaled down to this size, so that no square overflows."""


def cosine_similarity(
    memory: Float[Tensor, "B N M"], key: Float[Tensor, "B H M"]
) -> Float[Tensor, "B H N"]:
    r"""Compare each head's key with every memory row, Eq. 6.

    .. math:: K[u, v] = \frac{u \cdot v}{\lVert u \rVert \, \lVert v \rVert}

    The result lies in [-1, 1]. Equation 6 leaves a zero vector undefined; here its similarity is 0
    and its gradient finite.

    Raises:
        ValueError: if the shapes do not fit together.
    """
    check_shapes("BNM BHM", memory=memory, key=key)
    return _unit(key) @ _unit(memory).transpose(1, 2)


def _unit(vector: Tensor) -> Tensor:
    """Scale to length one; the floor stands under the root, where its gradient stays finite.

    Squares need room: half precision is widened, and what is huge made smaller first.
    """
    wide = vector.to(torch.promote_types(vector.dtype, torch.float32))
    wide = wide / (wide.detach().abs().amax(-1, keepdim=True) / HUGE).clamp(min=1)
    squared = wide.square().sum(-1, keepdim=True)
    floor = max(NORM_FLOOR, torch.finfo(vector.dtype).tiny)
    return (wide * squared.clamp(min=floor**2).rsqrt()).to(vector.dtype)


def content_weighting(
    memory: Float[Tensor, "B N M"],
    key: Float[Tensor, "B H M"],
    key_strength: Float[Tensor, "B H 1"],
) -> Float[Tensor, "B H N"]:
    r"""Focus on the rows that resemble the key, Eq. 5.

    .. math:: w^c(i) = \frac{\exp(\beta K[k, M(i)])}{\sum_j \exp(\beta K[k, M(j)])}

    ``key_strength`` is the paper's :math:`\beta > 0`: near 0 the weighting is uniform, towards
    infinity it is one-hot on the best match.

    Raises:
        ValueError: if the shapes do not fit together.
    """
    similarity = cosine_similarity(memory, key)
    check_shapes("BHN BH1", similarity=similarity, key_strength=key_strength)
    return torch.softmax(key_strength * similarity, dim=-1)


def interpolate(
    content: Float[Tensor, "B H N"],
    previous: Float[Tensor, "B H N"],
    gate: Float[Tensor, "B H 1"],
) -> Float[Tensor, "B H N"]:
    r"""Blend the content weighting with the previous step's weighting, Eq. 7.

    .. math:: w^g_t = g_t w^c_t + (1 - g_t) w_{t-1}

    ``gate`` lies in [0, 1]: 1 takes the content weighting, 0 keeps the previous weighting.

    Raises:
        ValueError: if the shapes do not fit together.
    """
    check_shapes("BHN BHN BH1", content=content, previous=previous, gate=gate)
    return torch.lerp(previous, content, gate)


def shift(
    weighting: Float[Tensor, "B H N"], shift_weighting: Float[Tensor, "B H S"]
) -> Float[Tensor, "B H N"]:
    r"""Move the focus by circular convolution, Eq. 8.

    .. math:: \tilde w(i) = \sum_{j=-r}^{r} w^g\big((i - j) \bmod N\big) \, s(j)

    ``shift_weighting`` is a distribution over the shifts ``-r, ..., r``, in that order. One-hot on
    ``+1`` moves the focus from ``i`` to ``i + 1``, and from the last location round to the first.
    The paper lets ``s`` run over all ``N`` shifts, or over a few, as in its example; so do we.

    Raises:
        ValueError: if the shapes do not fit, the number of shifts is even, or it exceeds ``N``.
    """
    check_shapes("BHN BHS", weighting=weighting, shift_weighting=shift_weighting)
    shifts, locations = shift_weighting.shape[-1], weighting.shape[-1]
    if shifts % 2 == 0 or shifts > locations:
        raise ValueError(
            f"shift_weighting: expected an odd number of shifts, at most the {locations} "
            f"locations, got {shifts}"
        )
    reach = shifts // 2
    # Window i of the padded weighting is w(i-r), ..., w(i+r): the shifts in falling order.
    padded = torch.cat(
        [weighting[..., locations - reach :], weighting, weighting[..., :reach]], dim=-1
    )
    windows = padded.unfold(-1, shifts, 1)
    return (windows @ shift_weighting.flip(-1).unsqueeze(-1)).squeeze(-1)


def sharpen(
    weighting: Float[Tensor, "B H N"], sharpening: Float[Tensor, "B H 1"]
) -> Float[Tensor, "B H N"]:
    r"""Concentrate a weighting on its peak, Eq. 9.

    .. math:: w(i) = \frac{\tilde w(i)^\gamma}{\sum_j \tilde w(j)^\gamma}

    ``sharpening`` is the paper's :math:`\gamma \ge 1`; 1 changes nothing. Computed as a softmax of
    :math:`\gamma \log \tilde w`, which is the same and does not underflow to 0/0.

    Raises:
        ValueError: if the shapes do not fit together.
    """
    check_shapes("BHN BH1", weighting=weighting, sharpening=sharpening)
    floor = torch.finfo(weighting.dtype).tiny
    return torch.softmax(sharpening * (weighting + floor).log(), dim=-1)
