"""What a tuning job tries next, and when it gives up on a training job. No I/O here."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from threadpoolctl import ThreadpoolController

# Bayesian draws as Random does until it has this many results.
START_UP_TRIALS = 3

# Where it looks for the most promising point: anywhere, and around the best so far.
# With few candidates, the jobs that run at the same time differ more from each other;
# on objectives with noise, as those of real training are, more candidates find less.
CANDIDATES = 160
CANDIDATES_AROUND_BEST = 120

# The time that a model takes grows with the cube of the results that it is given. Of
# more than these it gets the best half and the newest half.
MOST_TRIALS = 120

# Up to here each column of the search space has a length scale of its own.
MOST_LENGTH_SCALES = 20

# More steps fit the length scales better to few results, and search no better.
FIT_STEPS = 10

# What spans this factor or more is searched logarithmically if its scale is Auto.
SEVERAL_ORDERS = 100

# As many digits as the logarithms of all machines agree on.
DIGITS = 12


@dataclass(frozen=True)
class Trial:
    """A training job of this tuning job, or of one that it starts from."""

    values: Mapping[str, str]  # the tuned hyperparameters, as sent to the training job
    objective: float | None  # None: no metric (failed, or stopped before the first)


def suggest(
    ranges: Mapping[str, Any],
    strategy: str,
    seed: int,
    number: int,
    earlier: Sequence[Trial],
    maximize: bool,
) -> dict[str, str]:
    """Choose the tuned hyperparameters of a tuning job's `number`-th training job.

    `ranges` are a request's ParameterRanges, and `number` counts from 1. `earlier`
    holds the training jobs of warm-start parents and then, with P jobs in parallel, the
    jobs 1 to `number` - P of this tuning job in their order: none that may still run.

    Nothing is remembered between two calls. The random numbers come from `seed` and
    `number` alone, so the same `earlier` gives the same choice: a tuning job with a
    seed repeats itself whatever the timing of its training jobs, and after a restart it
    goes on as if there had been none. (Early stopping depends on timing, and so is
    outside this promise.)

    Random draws uniformly on each range's scale. Grid takes the combinations of
    categorical values in order; raises ValueError beyond the last. Bayesian fits a
    Gaussian process to the results and takes the point with the largest expected
    improvement; before it has three results it draws what Random would.
    """
    if strategy == "Grid":
        return _combination(ranges, number)
    space = _Space(ranges)
    generator = np.random.default_rng([seed, number])
    drawn = space.draw(generator, 1)
    if strategy == "Bayesian" and space.columns:
        tried = _Tried.of(space, earlier, maximize)
        if len(tried.losses) >= START_UP_TRIALS:
            return space.values(_most_promising(space, tried, generator))
    return space.values(drawn[0])


def grid_size(ranges: Mapping[str, Any]) -> int:
    """The number of combinations of a request's categorical values."""
    return math.prod(len(one["Values"]) for one in _categories(ranges))


def should_stop_early(
    curve: Sequence[float], finished: Sequence[Sequence[float]], maximize: bool
) -> bool:
    """Whether a training job falls so far behind that AWS would stop it.

    `curve` is its objective after each epoch so far, `finished` the same of the
    training jobs that have ended. AWS's rule: each finished job has an average of its
    objective over the same epochs; the job is stopped if its newest value is worse than
    the median of these averages. A job that ended sooner is averaged over all it has.
    """
    epochs = len(curve)
    averages = [fmean(other[:epochs]) for other in finished if epochs and other]
    if not averages:
        return False
    typical = median(averages)
    return curve[-1] < typical if maximize else curve[-1] > typical


# A scale: from a value to where it lies on the scale, and back.
_SCALES = {
    "Linear": (lambda value: value, lambda place: place),
    "Logarithmic": (np.log, np.exp),
    "ReverseLogarithmic": (
        lambda value: -np.log1p(-value),
        lambda place: -np.expm1(-place),
    ),
}


@dataclass(frozen=True)
class _Axis:
    """A range of numbers as the stretch from 0 to 1 of its scale.

    A whole number has the stretch from half a number below it to half above.
    """

    name: str
    low: float
    high: float
    scale: str
    whole: bool

    @classmethod
    def of(cls, one: Mapping[str, str], whole: bool) -> "_Axis":
        low, high = float(one["MinValue"]), float(one["MaxValue"])
        scale = one.get("ScalingType", "Auto")
        if scale == "Auto":
            # AWS chooses "the best scale" and advises: linear within an order of
            # magnitude, logarithmic for several.
            several = low > 0 and high / low >= SEVERAL_ORDERS
            scale = "Logarithmic" if several else "Linear"
        return cls(one["Name"], low, high, scale, whole)

    def units(self, values: np.ndarray) -> np.ndarray:
        """Where values lie; not finite for those that the scale does not have."""
        place, _ = _SCALES[self.scale]
        start, end = self._ends()
        with np.errstate(divide="ignore", invalid="ignore"):
            return (place(values) - start) / ((end - start) or 1.0)

    def numbers(self, units: np.ndarray) -> np.ndarray:
        """The values that lie there, whole if they have to be."""
        _, value = _SCALES[self.scale]
        start, end = self._ends()
        found = value(start + units * (end - start))
        if self.whole:
            found = np.rint(found)
        return np.clip(found, self.low, self.high)

    def text(self, unit: float) -> str:
        """A value as AWS writes it to a training job: 7, or 0.0719685673001."""
        value = float(self.numbers(np.float64(unit)))
        if self.whole:
            return str(int(value))
        return repr(min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high))

    def _ends(self) -> tuple[float, float]:
        place, _ = _SCALES[self.scale]
        beyond = 0.5 if self.whole else 0.0
        ends = np.array([self.low - beyond, self.high + beyond])
        start, end = place(ends).tolist()
        return start, end


class _Space:
    """What is searched. A point is a row: the axes' units, then a 0 or 1 per category.

    The values of a categorical hyperparameter have a column each, one of which is 1.
    """

    def __init__(self, ranges: Mapping[str, Any]) -> None:
        self._axes = [
            _Axis.of(one, whole)
            for kind, whole in (("Integer", True), ("Continuous", False))
            for one in ranges.get(f"{kind}ParameterRanges", ())
        ]
        self._categories = _categories(ranges)
        self.columns = len(self._axes) + sum(
            len(one["Values"]) for one in self._categories
        )

    def draw(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """Points from anywhere."""
        return self._points(
            generator.random((count, len(self._axes))),
            [
                generator.integers(len(one["Values"]), size=count)
                for one in self._categories
            ],
        )

    def draw_near(
        self, point: np.ndarray, generator: np.random.Generator, count: int
    ) -> np.ndarray:
        """Points around one: some very close, some a third of the way to the ends."""
        axes = len(self._axes)
        reach = 10 ** generator.uniform(-2, -0.5, size=(count, 1))
        steps = reach * generator.standard_normal((count, axes))
        near = self._points(np.clip(point[:axes] + steps, 0, 1), [])
        same = np.tile(point[axes:], (count, 1))
        other = self.draw(generator, count)[:, axes:]
        # One in five gets other categories.
        moves = generator.random((count, 1)) < 0.2
        return np.hstack([near, np.where(moves, other, same)])

    def values(self, point: np.ndarray) -> dict[str, str]:
        """The hyperparameters of a point."""
        found = {
            axis.name: axis.text(unit)
            for axis, unit in zip(self._axes, point, strict=False)
        }
        at = len(self._axes)
        for one in self._categories:
            values = one["Values"]
            found[one["Name"]] = values[int(np.argmax(point[at : at + len(values)]))]
            at += len(values)
        return found

    def point(self, values: Mapping[str, str]) -> np.ndarray | None:
        """The point of hyperparameters; None if they are not of this space.

        A warm start's parent may have had others.
        """
        try:
            units = [
                float(axis.units(np.float64(values[axis.name]))) for axis in self._axes
            ]
            chosen = [values[one["Name"]] for one in self._categories]
        except (KeyError, ValueError):
            return None
        if not np.isfinite(units).all():
            return None
        marks = [
            float(value == mine)
            for mine, one in zip(chosen, self._categories, strict=True)
            for value in one["Values"]
        ]
        return np.array(units + marks)

    def _points(self, units: np.ndarray, chosen: list[np.ndarray]) -> np.ndarray:
        """Rows of the values nearest to `units`, and of the categories' numbers."""
        columns = [
            axis.units(axis.numbers(units[:, number]))
            for number, axis in enumerate(self._axes)
        ]
        for one, numbers in zip(self._categories, chosen, strict=False):
            columns += list((np.arange(len(one["Values"]))[:, None] == numbers) * 1.0)
        return np.column_stack([np.empty((len(units), 0)), *columns])


@dataclass(frozen=True)
class _Tried:
    """The points tried so far, and how bad each was."""

    points: np.ndarray
    losses: np.ndarray

    @classmethod
    def of(cls, space: _Space, earlier: Sequence[Trial], maximize: bool) -> "_Tried":
        """A trial without a metric counts as the worst: the search keeps away."""
        found = []
        for trial in earlier:
            point = space.point(trial.values)
            if point is not None:
                found.append((point, _loss(trial.objective, maximize)))
        known = [loss for _, loss in found if loss is not None]
        if not known:
            return cls(np.empty((0, space.columns)), np.empty(0))
        worst = max(known)
        return cls(
            np.array([point for point, _ in found]),
            np.array([worst if loss is None else loss for _, loss in found]),
        )._fewer()

    def _fewer(self) -> "_Tried":
        count = len(self.losses)
        if count <= MOST_TRIALS:
            return self
        newest = np.arange(count - MOST_TRIALS // 2, count)
        older = np.argsort(self.losses[: newest[0]], kind="stable")
        kept = np.sort([*older[: MOST_TRIALS - len(newest)], *newest])
        return _Tried(self.points[kept], self.losses[kept])


def _most_promising(
    space: _Space, tried: _Tried, generator: np.random.Generator
) -> np.ndarray:
    """The candidate with the largest expected improvement that is new, if one is."""
    best = tried.points[np.argmin(tried.losses)]
    candidates = np.vstack(
        [
            space.draw(generator, CANDIDATES),
            space.draw_near(best, generator, CANDIDATES_AROUND_BEST),
        ]
    )
    _, first = np.unique(candidates.round(9), axis=0, return_index=True)
    # Half of them only. Jobs that run at the same time do not know of each other, and
    # would all take the same one where there are few.
    candidates = candidates[first[generator.random(len(first)) < 0.5]]
    again = np.isclose(candidates[:, None], tried.points[None], atol=1e-9).all(2).any(1)
    new = candidates[~again]
    if not len(new):
        return space.draw(generator, 1)[0]
    return new[np.argmax(_expected_improvement(tried, new))]


def _expected_improvement(tried: _Tried, candidates: np.ndarray) -> np.ndarray:
    """By how much each candidate undercuts the smallest loss, on average."""
    # Imported here: it takes a second and 100 MB, which only tuning jobs need.
    from scipy.special import ndtr

    losses = _compressed(tried.losses)
    # More threads would only wait for each other with matrices as small as these.
    with _thread_pools().limit(limits=1):
        process = _gaussian_process(tried.points, losses)
        mean, deviation = process.predict(candidates, return_std=True)
    # Without the noise that the fit has found: it is the same for all.
    noise = process.kernel_.k2.noise_level
    deviation = np.sqrt(np.maximum(deviation**2 - noise, 1e-12))
    ahead = losses.min() - mean
    density = np.exp(-((ahead / deviation) ** 2) / 2) / math.sqrt(2 * math.pi)
    return ahead * ndtr(ahead / deviation) + deviation * density


@cache
def _thread_pools() -> "ThreadpoolController":
    """The thread pools of the libraries that a fit uses; loads these first."""
    import sklearn.gaussian_process  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _gaussian_process(
    points: np.ndarray, losses: np.ndarray
) -> "GaussianProcessRegressor":
    """Fit a smooth function with noise, a length scale for each column."""
    import warnings

    from scipy.optimize import minimize
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import Matern, WhiteKernel

    def climb(loss: Callable, start: np.ndarray, bounds: np.ndarray) -> tuple:
        found = minimize(
            loss,
            start,
            jac=True,
            bounds=bounds,
            method="L-BFGS-B",
            options={"maxiter": FIT_STEPS},
        )
        return found.x, found.fun

    columns = points.shape[1]
    scales = np.full(columns if columns <= MOST_LENGTH_SCALES else 1, 0.5)
    kernel = Matern(scales, (0.05, 5), nu=2.5) + WhiteKernel(1e-3, (1e-6, 0.3))
    with warnings.catch_warnings():
        # A scale at its bound is a hyperparameter without effect, and is no fault.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianProcessRegressor(kernel, optimizer=climb).fit(points, losses)


def _compressed(losses: np.ndarray) -> np.ndarray:
    """Standardized, the bad half on a logarithmic scale: how bad hardly matters."""
    middle = np.median(losses)
    lead = (middle - losses.min()) or 1.0
    found = (losses - middle) / lead
    found = np.where(found > 0, np.log1p(np.maximum(found, 0)), found)
    return (found - found.mean()) / (found.std() or 1.0)


def _loss(objective: float | None, maximize: bool) -> float | None:
    if objective is None or not math.isfinite(objective):
        return None
    return -objective if maximize else objective


def _categories(ranges: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return ranges.get("CategoricalParameterRanges", ())


def _combination(ranges: Mapping[str, Any], number: int) -> dict[str, str]:
    """The `number`-th combination; the last hyperparameter changes the fastest."""
    categories = _categories(ranges)
    sizes = [len(one["Values"]) for one in categories]
    chosen = np.unravel_index(number - 1, sizes)
    return {
        one["Name"]: one["Values"][at]
        for one, at in zip(categories, chosen, strict=True)
    }
