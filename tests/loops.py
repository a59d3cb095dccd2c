"""The paper's equations once more, as slow float64 loops: what the package is compared with.

Written from the paper, element by element, and sharing nothing with the package.
"""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def cosine_similarity(memory: Array, key: Array) -> Array:
    """Equation 6."""
    batch, locations, width = memory.shape
    result = np.zeros((batch, key.shape[1], locations))
    for b in range(batch):
        for h in range(key.shape[1]):
            for i in range(locations):
                product = sum(memory[b, i, m] * key[b, h, m] for m in range(width))
                row = math.sqrt(sum(memory[b, i, m] ** 2 for m in range(width)))
                length = math.sqrt(sum(key[b, h, m] ** 2 for m in range(width)))
                result[b, h, i] = product / (row * length) if row * length else 0.0
    return result


def content_weighting(memory: Array, key: Array, key_strength: Array) -> Array:
    """Equation 5."""
    similarity = cosine_similarity(memory, key)
    result = np.zeros_like(similarity)
    for b, h in np.ndindex(*similarity.shape[:2]):
        powers = [math.exp(key_strength[b, h, 0] * value) for value in similarity[b, h]]
        for i, power in enumerate(powers):
            result[b, h, i] = power / sum(powers)
    return result


def interpolate(content: Array, previous: Array, gate: Array) -> Array:
    """Equation 7."""
    result = np.zeros_like(content)
    for b, h, i in np.ndindex(*content.shape):
        g = gate[b, h, 0]
        result[b, h, i] = g * content[b, h, i] + (1 - g) * previous[b, h, i]
    return result


def shift(weighting: Array, shift_weighting: Array) -> Array:
    """Equation 8: the weight on `j` goes to `j + s`, for each shift `s` from -r to r."""
    locations, reach = weighting.shape[2], shift_weighting.shape[2] // 2
    result = np.zeros_like(weighting)
    for b, h, j in np.ndindex(*weighting.shape):
        for s in range(-reach, reach + 1):
            moved = weighting[b, h, j] * shift_weighting[b, h, s + reach]
            result[b, h, (j + s) % locations] += moved
    return result


def sharpen(weighting: Array, sharpening: Array) -> Array:
    """Equation 9."""
    result = np.zeros_like(weighting)
    for b, h in np.ndindex(*weighting.shape[:2]):
        powers = [value ** sharpening[b, h, 0] for value in weighting[b, h]]
        for i, power in enumerate(powers):
            result[b, h, i] = power / sum(powers)
    return result


def read(memory: Array, weighting: Array) -> Array:
    """Equation 2."""
    batch, locations, width = memory.shape
    result = np.zeros((batch, weighting.shape[1], width))
    for b, h, m in np.ndindex(*result.shape):
        for i in range(locations):
            result[b, h, m] += weighting[b, h, i] * memory[b, i, m]
    return result


def erase(memory: Array, weighting: Array, erase_vector: Array) -> Array:
    """Equation 3, one head after the other."""
    result = memory.copy()
    for h in range(weighting.shape[1]):
        for b, i, m in np.ndindex(*memory.shape):
            result[b, i, m] *= 1 - weighting[b, h, i] * erase_vector[b, h, m]
    return result


def add(memory: Array, weighting: Array, add_vector: Array) -> Array:
    """Equation 4, one head after the other."""
    result = memory.copy()
    for h in range(weighting.shape[1]):
        for b, i, m in np.ndindex(*memory.shape):
            result[b, i, m] += weighting[b, h, i] * add_vector[b, h, m]
    return result
