"""Hyperparameters: their names, types, ranges and cross checks.

A request's hyperparameters are strings. They are checked in the image's order: aliases,
required names, unknown names and parsing (in the request's order), ranges, and last the
checks of one against another. The first failure ends the job with its official text.
None is filled in: what is left out takes the library's own default.
"""

import ast
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

from local_aws.containers.xgboost import cross_checks, metrics
from local_aws.containers.xgboost.cross_checks import Validated
from local_aws.containers.xgboost.errors import AlgorithmError, UserError

ALIASES = {
    "learning_rate": "eta",
    "min_split_loss": "gamma",
    "reg_lambda": "lambda",
    "reg_alpha": "alpha",
}


@dataclass(frozen=True)
class Interval:
    """Numbers between two bounds; a bound that is None is infinite."""

    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, value: float) -> bool:
        # Written as "not outside", so that nan is inside, as it is in the image.
        below = self.low is not None and (
            value < self.low or (self.low_open and value == self.low)
        )
        above = self.high is not None and (
            value > self.high or (self.high_open and value == self.high)
        )
        return not (below or above)

    def __str__(self) -> str:
        start = "(-inf" if self.low is None else f"{'[('[self.low_open]}{self.low}"
        end = "+inf)" if self.high is None else f"{self.high}{'])'[self.high_open]}"
        return f"{start}, {end}"


class MetricNames:
    """The metrics that eval_metric may name, thresholds such as error@0.7 included."""

    _NAMES = metrics.MAXIMIZE + metrics.MINIMIZE

    def __contains__(self, metric: str) -> bool:
        if "@" not in metric:
            return metric in self._NAMES
        name, threshold = (part.strip() for part in metric.split("@")[:2])
        if name not in ("error", "ndcg", "map"):
            raise UserError(
                f"Metric '{metric}' is not supported. Parameter 'eval_metric' with "
                "customized threshold should be one of these options: 'error', "
                "'ndcg', 'map'."
            )
        try:
            float(threshold)
        except ValueError:
            raise UserError(
                f"Threshold value 't' in '{name}@t' expects float input."
            ) from None
        return True

    def __str__(self) -> str:
        return str(self._NAMES)


Dependency = Callable[[Any, Validated], None]


@dataclass(frozen=True)
class Hyperparameter:
    """One hyperparameter: how its text is read and what it may be.

    `many` says that the value is a collection whose members must be in `allowed`
    (in the members' members when it is nested).
    """

    parse: Callable[[str], Any]
    allowed: Container
    many: bool = False
    needs: tuple[str, ...] = ()
    depends: Dependency | None = None

    def check(self, name: str, value: Any) -> None:
        """UserError when the value is out of range."""
        if not self.many:
            if value not in self.allowed:
                raise UserError(f"Hyperparameter {name}: {value} is not in {self}")
            return
        nested = self.parse is _nested_list
        members = [m for row in value for m in row] if nested else value
        if not all([member in self.allowed for member in members]):
            raise UserError(f"Hyperparameter {name}: value {value} not in range {self}")

    def __str__(self) -> str:
        return str(self.allowed)


def _comma_list(text: str) -> list[str]:
    return text.split(",")


def _tuple(text: str) -> tuple:
    # The image evaluates this text as Python code; a literal is all that is meant.
    return _literal(text)


def _nested_list(text: str) -> list:
    return _literal(text)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except SyntaxError as error:
        raise ValueError(str(error)) from None


def _integer(low: float, high: float | None = None, **bounds: bool) -> Hyperparameter:
    return Hyperparameter(int, Interval(low, high, **bounds))


def _number(low: float, high: float | None = None, **bounds: bool) -> Hyperparameter:
    return Hyperparameter(float, Interval(low, high, **bounds))


def _choice(*values: str, **checks: Any) -> Hyperparameter:
    return Hyperparameter(str, list(values), **checks)


_SHARE = _number(0, 1, low_open=True)
_BOOLEAN = _choice("true", "false")

HYPERPARAMETERS = {
    "num_round": _integer(1),
    "csv_weights": _integer(0, 1),
    "early_stopping_rounds": _integer(1),
    "booster": _choice("gbtree", "gblinear", "dart"),
    "verbosity": _integer(0, 3),
    "nthread": _integer(1),
    "eta": _number(0, 1),
    "gamma": _number(0),
    "max_depth": _integer(0),
    "min_child_weight": _number(0),
    "max_delta_step": _number(0),
    "subsample": _SHARE,
    "colsample_bytree": _SHARE,
    "colsample_bylevel": _SHARE,
    "colsample_bynode": _SHARE,
    "lambda": _number(0),
    "alpha": _number(0),
    "tree_method": _choice("auto", "exact", "approx", "hist", "gpu_hist"),
    "sketch_eps": _number(0, 1, low_open=True, high_open=True),
    "scale_pos_weight": _number(0, low_open=True),
    "updater": Hyperparameter(
        _comma_list,
        [
            "grow_colmaker",
            "distcol",
            "grow_histmaker",
            "grow_skmaker",
            "sync",
            "refresh",
            "prune",
            "shotgun",
            "coord_descent",
        ],
        many=True,
        needs=("booster", "process_type"),
        depends=cross_checks.check_updater,
    ),
    "dsplit": _choice("row", "col"),
    "refresh_leaf": _integer(0, 1),
    "process_type": _choice("default", "update"),
    "grow_policy": _choice("depthwise", "lossguide"),
    "max_leaves": _integer(0),
    "max_bin": _integer(0),
    "predictor": _choice("auto", "cpu_predictor", "gpu_predictor"),
    "monotone_constraints": Hyperparameter(
        _tuple,
        [-1, 0, 1],
        many=True,
        needs=("tree_method",),
        depends=cross_checks.check_monotone_constraints,
    ),
    "interaction_constraints": Hyperparameter(
        _nested_list,
        Interval(1),
        many=True,
        needs=("tree_method",),
        depends=cross_checks.check_interaction_constraints,
    ),
    "sample_type": _choice("uniform", "weighted"),
    "normalize_type": _choice("tree", "forest"),
    "rate_drop": _number(0, 1),
    "one_drop": _integer(0, 1),
    "skip_drop": _number(0, 1),
    "lambda_bias": _number(0, 1),
    "tweedie_variance_power": _number(1, 2, low_open=True, high_open=True),
    "objective": _choice(
        "aft_loss_distribution",
        "binary:logistic",
        "binary:logitraw",
        "binary:hinge",
        "count:poisson",
        "multi:softmax",
        "multi:softprob",
        "rank:pairwise",
        "rank:ndcg",
        "rank:map",
        "reg:linear",
        "reg:squarederror",
        "reg:logistic",
        "reg:gamma",
        "reg:pseudohubererror",
        "reg:squaredlogerror",
        "reg:absoluteerror",
        "reg:tweedie",
        "survival:aft",
        "survival:cox",
        needs=("num_class",),
        depends=cross_checks.check_objective,
    ),
    "num_class": _integer(2),
    "base_score": _number(0),
    "_kfold": _integer(2),
    "_num_cv_round": _integer(1),
    "_tuning_objective_metric": _choice(*metrics.TUNING_OBJECTIVES),
    "eval_metric": Hyperparameter(
        _comma_list,
        MetricNames(),
        many=True,
        needs=("objective",),
        depends=cross_checks.check_eval_metric,
    ),
    "seed": _integer(-(2**31), 2**31 - 1, low_open=True, high_open=True),
    "num_parallel_tree": _integer(1),
    "save_model_on_termination": _BOOLEAN,
    "aft_loss_distribution": _choice("normal", "logistic", "extreme"),
    "aft_loss_distribution_scale": _number(0),
    "deterministic_histogram": _BOOLEAN,
    "sampling_method": _choice("uniform", "gradient_based"),
    "prob_buffer_row": _integer(1.0, low_open=True),
    "use_dask_gpu_training": _BOOLEAN,
}

NAMES = {*HYPERPARAMETERS, *ALIASES}

_REQUIRED = ("num_round",)


def validate(given: dict[str, str]) -> Validated:
    """The hyperparameters as Python values under their own names (not an alias).

    UserError with the official text for the first that is wrong; KeyError for an
    eval_metric without objective (so the image too).
    """
    texts = {ALIASES.get(name, name): text for name, text in given.items()}
    for name in _REQUIRED:
        if name not in texts:
            raise UserError(f"Missing required hyperparameter: {name}")
    values = {name: _parsed(name, text) for name, text in texts.items()}
    for name, value in values.items():
        _check_range(name, value)
    validated: Validated = {}
    for name in values:
        _check_dependencies(name, values, validated)
    return validated


def _parsed(name: str, text: str) -> Any:
    if name not in HYPERPARAMETERS:
        raise UserError(f"Extraneous hyperparameter found: {name}")
    try:
        return HYPERPARAMETERS[name].parse(text)
    except ValueError as error:
        message = f"Hyperparameter {name}: could not parse value"
        raise UserError(message, caused_by=error) from None


def _check_range(name: str, value: Any) -> None:
    try:
        HYPERPARAMETERS[name].check(name, value)
    except TypeError as error:
        message = f"Hyperparameter {name}: unexpected failure when validating {value}"
        raise AlgorithmError(message, caused_by=error) from None


def _check_dependencies(name: str, values: Validated, validated: Validated) -> None:
    """Check `name` after those that it depends on, each once."""
    if name in validated:
        return
    hyperparameter = HYPERPARAMETERS[name]
    for needed in hyperparameter.needs:
        if needed in values:
            _check_dependencies(needed, values, validated)
    if hyperparameter.depends is not None:
        hyperparameter.depends(values[name], validated)
    validated[name] = values[name]
