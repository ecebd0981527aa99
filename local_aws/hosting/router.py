"""Which variant a request goes to."""

import random
from collections.abc import Mapping


class Router:
    """Draws variants by weight from a generator of its own.

    The generator is seeded by the variants' names and weights, so that a lesson that
    makes the same endpoint again sees the same sequence. A variant of weight 0 is
    never drawn. Used from one thread.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        """`weights` by variant name; raises ValueError if all of them are 0."""
        names = sorted(weights)
        if not sum(weights.values()) > 0:
            raise ValueError("at least one variant needs a weight above 0")
        self._names = names
        self._weights = [weights[name] for name in names]
        seed = repr([(name, float(weights[name])) for name in names])
        # Not for security: the sequence is meant to be the same again.
        self._generator = random.Random(seed)  # noqa: S311

    def draw(self) -> str:
        """The next request's variant."""
        return self._generator.choices(self._names, self._weights)[0]
