"""Hyperparameters: their names, defaults and ranges.

Names and ranges: AWS page "Linear learner hyperparameters" and the ranges that the
SageMaker SDK 2 enforced. Defaults: the line "Reading default configuration" of public
logs. A request's hyperparameters are strings; the first that is wrong ends the job in
the words of the image's JSON schema checker.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local_aws.containers.linear_learner import schema_check
from local_aws.containers.linear_learner.errors import CustomerError

Values = dict[str, Any]

_POSITIVE_INTEGER = r"^([1-9][0-9]*)$"
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")

# The losses of each predictor_type.
LOSSES = {
    "binary_classifier": ("auto", "logistic", "hinge_loss"),
    "multiclass_classifier": ("auto", "softmax_loss"),
    "regressor": (
        "auto",
        "squared_loss",
        "absolute_loss",
        "eps_insensitive_squared_loss",
        "eps_insensitive_absolute_loss",
        "quantile_loss",
        "huber_loss",
    ),
}
PREDICTOR_TYPES = tuple(LOSSES)


@dataclass(frozen=True)
class Kind:
    """What a hyperparameter may be.

    schema: its part of the JSON schema. read: its text as a Python value; raises
    ValueError for a text that is not allowed. formats: the schema's own formats, each
    named after what it means, and whether a text is in it.
    """

    schema: dict[str, Any]
    read: Callable[[str], Any]
    formats: dict[str, Callable[[Any], bool]] = field(default_factory=dict)

    def accepts(self, text: Any) -> bool:
        """Whether this is a text that can be read."""
        return _can(self.read, text)


def _can(read: Callable[[str], Any], text: Any) -> bool:
    try:
        read(text)
    except (TypeError, ValueError):
        return False
    return True


def _integer() -> Kind:
    """An integer from 1 on."""

    def read(text: str) -> int:
        if not re.search(_POSITIVE_INTEGER, text):
            raise ValueError(text)
        return int(text)

    schema = {
        "oneOf": [
            {"pattern": _POSITIVE_INTEGER, "type": "string"},
            {"minimum": 1, "type": "integer"},
        ]
    }
    return Kind(schema, read)


def _integer_in(low: int, high: int) -> Kind:
    def read(text: str) -> int:
        if not re.search(_POSITIVE_INTEGER, text) or not low <= int(text) <= high:
            raise ValueError(text)
        return int(text)

    return _formatted(f"integer in [{low}, {high}]", read)


def _formatted(name: str, read: Callable[[str], Any]) -> Kind:
    schema = {"oneOf": [{"format": name, "type": "string"}]}
    return Kind(schema, read, {name: lambda text: _can(read, text)})


def _number(interval: str = "(-inf, inf)") -> Kind:
    """A finite number in an interval as mathematics writes it."""
    low, high = (float(bound) for bound in interval[1:-1].split(","))

    def read(text: str) -> float:
        value = float(text) if _NUMBER.fullmatch(text) else math.nan
        inside = low <= value <= high and math.isfinite(value)
        at_open_end = (value == low and interval[0] == "(") or (
            value == high and interval[-1] == ")"
        )
        if not inside or at_open_end:
            raise ValueError(text)
        return value

    return _formatted(f"float in {interval}", read)


def _choice(*values: str) -> Kind:
    def read(text: str) -> str:
        if text not in values:
            raise ValueError(text)
        return text

    return Kind({"enum": list(values)}, read)


def _or_word(kind: Kind, *words: str) -> Kind:
    """`kind`, or one of some words, which are read as themselves."""

    def read(text: str) -> Any:
        return text if text in words else kind.read(text)

    if "enum" in kind.schema:
        return Kind({"enum": [*words, *kind.schema["enum"]]}, read)
    schema = {"oneOf": [{"enum": list(words)}, *kind.schema["oneOf"]]}
    return Kind(schema, read, kind.formats)


def _auto(kind: Kind) -> Kind:
    return _or_word(kind, "auto")


def _boolean() -> Kind:
    """Read as True or False. "True" is how Python clients write it."""
    words = {"true": True, "false": False, "True": True, "False": False}

    def read(text: str) -> bool:
        if text not in words:
            raise ValueError(text)
        return words[text]

    return Kind({"enum": list(words)}, read)


def _text() -> Kind:
    return Kind({"type": "string"}, str)


_COUNT = _integer()
_SHARE = _number("(0, 1)")
_DECAY = _auto(_number("[0, 1)"))
_POSITIVE = _number("(0, inf)")
_NOT_NEGATIVE = _number("[0, inf)")
_UP_TO_A_MILLION = _integer_in(1, 1_000_000)

# Name -> what it may be, and its default; None for the one that has none.
HYPERPARAMETERS: dict[str, tuple[Kind, str | None]] = {
    "_enable_profiler": (_boolean(), "false"),
    "_kvstore": (_text(), "auto"),
    "_log_level": (_text(), "info"),
    "_num_gpus": (_text(), "auto"),
    "_num_kv_servers": (_text(), "auto"),
    "_tuning_objective_metric": (_text(), ""),
    "accuracy_top_k": (_UP_TO_A_MILLION, "3"),
    "balance_multiclass_weights": (_boolean(), "false"),
    "beta_1": (_DECAY, "auto"),
    "beta_2": (_DECAY, "auto"),
    "bias_lr_mult": (_auto(_POSITIVE), "auto"),
    "bias_wd_mult": (_auto(_NOT_NEGATIVE), "auto"),
    "binary_classifier_model_selection_criteria": (
        _choice(
            "accuracy",
            "f1",
            "f_beta",
            "precision_at_target_recall",
            "recall_at_target_precision",
            "cross_entropy_loss",
            "loss_function",
        ),
        "accuracy",
    ),
    "early_stopping_patience": (_COUNT, "3"),
    "early_stopping_tolerance": (_POSITIVE, "0.001"),
    "epochs": (_COUNT, "15"),
    "f_beta": (_POSITIVE, "1.0"),
    "feature_dim": (_auto(_COUNT), "auto"),
    "huber_delta": (_NOT_NEGATIVE, "1.0"),
    "init_bias": (_number(), "0.0"),
    "init_method": (_choice("uniform", "normal"), "uniform"),
    "init_scale": (_POSITIVE, "0.07"),
    "init_sigma": (_POSITIVE, "0.01"),
    "l1": (_auto(_NOT_NEGATIVE), "auto"),
    "learning_rate": (_auto(_POSITIVE), "auto"),
    "loss": (
        _choice(
            "auto",
            "logistic",
            "squared_loss",
            "absolute_loss",
            "hinge_loss",
            "eps_insensitive_squared_loss",
            "eps_insensitive_absolute_loss",
            "quantile_loss",
            "huber_loss",
            "softmax_loss",
        ),
        "auto",
    ),
    "loss_insensitivity": (_POSITIVE, "0.01"),
    "lr_scheduler_factor": (_auto(_SHARE), "auto"),
    "lr_scheduler_minimum_lr": (_auto(_POSITIVE), "auto"),
    "lr_scheduler_step": (_auto(_COUNT), "auto"),
    "margin": (_NOT_NEGATIVE, "1.0"),
    "mini_batch_size": (_COUNT, "1000"),
    "momentum": (_DECAY, "auto"),
    "normalize_data": (_auto(_boolean()), "true"),
    "normalize_label": (_auto(_boolean()), "auto"),
    "num_calibration_samples": (_auto(_COUNT), "10000000"),
    "num_classes": (_UP_TO_A_MILLION, "1"),
    "num_models": (_auto(_COUNT), "auto"),
    "num_point_for_scaler": (_COUNT, "10000"),
    "optimizer": (_choice("auto", "sgd", "adam", "rmsprop"), "auto"),
    "positive_example_weight_mult": (_or_word(_POSITIVE, "balanced", "auto"), "1.0"),
    "predictor_type": (_choice(*PREDICTOR_TYPES), None),
    "quantile": (_SHARE, "0.5"),
    "target_precision": (_SHARE, "0.8"),
    "target_recall": (_SHARE, "0.8"),
    "unbias_data": (_auto(_boolean()), "auto"),
    "unbias_label": (_auto(_boolean()), "auto"),
    "use_bias": (_boolean(), "true"),
    "use_lr_scheduler": (_boolean(), "true"),
    "wd": (_auto(_NOT_NEGATIVE), "auto"),
}

NAMES = set(HYPERPARAMETERS)

REQUIRED = tuple(name for name, (_, text) in HYPERPARAMETERS.items() if text is None)

DEFAULTS = {
    name: text for name, (_, text) in HYPERPARAMETERS.items() if text is not None
}

# They belong to AWS's optimiser and start; scikit-learn's has no use for them.
WITHOUT_EFFECT = (
    "beta_1",
    "beta_2",
    "bias_lr_mult",
    "bias_wd_mult",
    "init_bias",
    "init_method",
    "init_scale",
    "init_sigma",
    "momentum",
    "optimizer",
)


def schema() -> dict[str, Any]:
    """The JSON schema of a request's hyperparameters."""
    return {
        "type": "object",
        "required": list(REQUIRED),
        "additionalProperties": False,
        "properties": {name: kind.schema for name, (kind, _) in _sorted()},
    }


def _sorted() -> list[tuple[str, tuple[Kind, str | None]]]:
    return sorted(HYPERPARAMETERS.items())


def formats() -> schema_check.Formats:
    """What the schema's own formats mean."""
    kinds = [kind for kind, _ in HYPERPARAMETERS.values()]
    return {name: accepts for kind in kinds for name, accepts in kind.formats.items()}


def merge(given: dict[str, str]) -> dict[str, str]:
    """The defaults with a request's hyperparameters over them, as the log shows it."""
    return dict(sorted({**DEFAULTS, **given}.items()))


def validate(given: dict[str, str]) -> Values:
    """All hyperparameters as Python values ("auto" where it is), by name.

    CustomerError with the schema checker's message for the first that is unknown,
    missing or not what it may be; then for what fits the schema and is not built.
    """
    texts = merge(given)
    known = all(
        name in HYPERPARAMETERS and HYPERPARAMETERS[name][0].accepts(text)
        for name, text in texts.items()
    )
    if not known or not all(name in texts for name in REQUIRED):
        raise schema_check.refusal(schema(), given, formats())
    values = {name: HYPERPARAMETERS[name][0].read(text) for name, text in texts.items()}
    _check_together(values)
    return values


def _check_together(values: Values) -> None:
    """CustomerError for hyperparameters that do not fit together. The texts are ours:
    nobody has published the image's.
    """
    kind, loss = values["predictor_type"], values["loss"]
    if loss not in LOSSES[kind]:
        raise CustomerError(
            f"The loss {loss} is not one of predictor_type {kind}: it has "
            f"{', '.join(LOSSES[kind])}."
        )
    if kind == "multiclass_classifier" and values["num_classes"] < 3:
        raise CustomerError(
            f"A {kind} needs num_classes, and that it is 3 or more: it is "
            f"{values['num_classes']}."
        )
    criterion = values["binary_classifier_model_selection_criteria"]
    if criterion == "cross_entropy_loss" and loss == "hinge_loss":
        raise CustomerError(
            "The criterion cross_entropy_loss needs the probabilities that loss "
            "logistic gives; loss_function is the loss that is trained with."
        )


def without_effect(given: dict[str, str]) -> list[str]:
    """Which of a request's hyperparameters are set and not heeded."""
    by_minibatches = given.get("loss") == "quantile_loss"
    if given["predictor_type"] != "regressor" or by_minibatches:
        return []
    return [
        name
        for name in WITHOUT_EFFECT
        if given.get(name, DEFAULTS[name]) != DEFAULTS[name]
    ]
