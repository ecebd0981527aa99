"""What CreateHyperParameterTuningJob checks of the hyperparameters that are searched.

Source of the rules: botocore sagemaker service model (ParameterRanges,
ContinuousParameterRange), AWS page "Define Hyperparameter Ranges". Few of AWS's own
texts are public; the one on combinations is, all others are worded after its manner.
"""

import math
from collections.abc import Iterator

from local_aws.containers.image import Image
from local_aws.containers.tuning import Tunable
from local_aws.errors import AwsError, validation_exception

INTEGER = "IntegerParameterRanges"
CONTINUOUS = "ContinuousParameterRanges"
CATEGORICAL = "CategoricalParameterRanges"

MAX_RANGES = 30  # all together (ParameterRanges, botocore sagemaker service model)

# What a range of the kind may be of: AWS took an integer range for a continuous
# hyperparameter (min_child_weight, recorded in 2020), and any may be listed by values.
_FITS = {
    INTEGER: ("integer", "continuous"),
    CONTINUOUS: ("continuous",),
    CATEGORICAL: ("integer", "continuous", "categorical"),
}


# A hyperparameter of the user's own script.
ANYTHING = Tunable("any", lambda text: True, "")


def check(config: dict, static: dict[str, str], image: Image) -> None:
    """Raise for ranges that can't be searched.

    Args:
        config: the request's HyperParameterTuningJobConfig.
        static: the request's StaticHyperParameters.
        image: the algorithm's.
    """
    ranges = config.get("ParameterRanges", {})
    all_ranges = list(_each(ranges))
    _check_names([one["Name"] for _, one in all_ranges], static)
    for kind, one in all_ranges:
        tunable = ANYTHING
        if not image.runs_scripts:
            tunable = image.tuning().hyperparameters.get(one["Name"])
        if tunable is None:
            raise _not_tunable(one["Name"], image)
        if tunable is not ANYTHING:
            _check_kind(kind, one["Name"], tunable)
        if kind == CATEGORICAL:
            _check_values(one, tunable)
        else:
            _check_bounds(kind, one, tunable)
    _check_combinations(config, ranges)


def grid_size(ranges: dict) -> int:
    """How many training jobs the Grid strategy starts."""
    from local_aws.jobs import tuning_search  # it imports numpy, which takes a while

    return tuning_search.grid_size(ranges)


def _each(ranges: dict) -> Iterator[tuple[str, dict]]:
    for kind in (INTEGER, CONTINUOUS, CATEGORICAL):
        for one in ranges.get(kind, []):
            yield kind, one


def _check_names(names: list[str], static: dict[str, str]) -> None:
    if not names:
        raise validation_exception(
            "ParameterRanges must have the range of at least one hyperparameter."
        )
    if len(names) > MAX_RANGES:
        raise validation_exception(
            f"The total number of hyperparameter ranges, [{len(names)}], can't be "
            f"greater than [{MAX_RANGES}]."
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise validation_exception(
            f"Hyperparameter ranges must have unique names. The request has more than "
            f"one range for [{', '.join(twice)}]."
        )
    if both := sorted(set(names) & set(static)):
        raise validation_exception(
            f"A hyperparameter can't be both static and tunable: [{', '.join(both)}]. "
            "Remove it from StaticHyperParameters or from ParameterRanges."
        )


def _not_tunable(name: str, image: Image) -> AwsError:
    tunable = ", ".join(sorted(image.tuning().hyperparameters))
    return validation_exception(
        f"The hyperparameter [{name}] isn't tunable for the {image.name} algorithm. "
        f"Choose tunable hyperparameters: [{tunable}]."
    )


def _check_kind(kind: str, name: str, tunable: Tunable) -> None:
    if tunable.kind not in _FITS[kind]:
        raise validation_exception(
            f"The hyperparameter [{name}] is {tunable.kind} and can't have a range in "
            f"{kind}."
        )


def _check_values(one: dict, tunable: Tunable) -> None:
    name, values = one["Name"], one["Values"]
    if len(set(values)) < len(values):
        raise validation_exception(
            f"The values of categorical hyperparameter [{name}] must be unique; the "
            f"request has [{', '.join(values)}]."
        )
    for value in values:
        if not tunable.accepts(value):
            raise _outside(name, value, tunable)


def _check_bounds(kind: str, one: dict, tunable: Tunable) -> None:
    name = one["Name"]
    low, high = (_number(kind, one, member) for member in ("MinValue", "MaxValue"))
    if low >= high:
        raise validation_exception(
            f"The MinValue of hyperparameter [{name}], [{one['MinValue']}], must be "
            f"less than its MaxValue, [{one['MaxValue']}]."
        )
    for text in (one["MinValue"], one["MaxValue"]):
        if not tunable.accepts(text):
            raise _outside(name, text, tunable)
    _check_scaling(kind, one, low, high)


def _number(kind: str, one: dict, member: str) -> float:
    text = one[member]
    try:
        number = int(text) if kind == INTEGER else float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        what = "an integer" if kind == INTEGER else "a number"
        raise validation_exception(
            f"The {member} of hyperparameter [{one['Name']}], [{text}], isn't {what}."
        )
    return number


def _outside(name: str, text: str, tunable: Tunable) -> AwsError:
    return validation_exception(
        f"The value [{text}] in the range of hyperparameter [{name}] is outside of "
        f"what the algorithm allows: {tunable.limits}."
    )


def _check_scaling(kind: str, one: dict, low: float, high: float) -> None:
    scaling = one.get("ScalingType", "Auto")
    if scaling == "Logarithmic" and low <= 0:
        raise validation_exception(
            f"The ScalingType of hyperparameter [{one['Name']}] can't be Logarithmic: "
            "it works only for ranges that have only values greater than 0."
        )
    if scaling == "ReverseLogarithmic":
        if kind == INTEGER:
            raise validation_exception(
                f"The ScalingType of hyperparameter [{one['Name']}] can't be "
                "ReverseLogarithmic: that is for continuous hyperparameters."
            )
        if low < 0 or high >= 1:
            raise validation_exception(
                f"The ScalingType of hyperparameter [{one['Name']}] can't be "
                "ReverseLogarithmic: it works only for ranges that are entirely within "
                "the range 0 <= x < 1.0."
            )


def _check_combinations(config: dict, ranges: dict) -> None:
    """Raise if there is less to choose from than is asked for."""
    asked = config["ResourceLimits"].get("MaxNumberOfTrainingJobs")
    if config["Strategy"] == "Grid":
        if ranges.get(INTEGER) or ranges.get(CONTINUOUS):
            raise validation_exception(
                "The Grid strategy supports only categorical hyperparameters. Remove "
                "IntegerParameterRanges and ContinuousParameterRanges, or list their "
                "values in CategoricalParameterRanges."
            )
        number = grid_size(ranges)
        if asked is not None and asked != number:
            raise validation_exception(
                f"With the Grid strategy MaxNumberOfTrainingJobs, [{asked}], must be "
                "equal to the total number of hyperparameter combinations for the "
                f"provided ranges, [{number}]. Leave it out to have it computed."
            )
        return
    number = _combinations(ranges)
    if asked is not None and number < asked:
        raise validation_exception(
            "You don't have enough combinations of hyperparameter ranges. The total "
            "number of hyperparameter combinations for the provided ranges "
            # Written as AWS writes it, with a point.
            f"[{number}.0] must be equal or greater than the value of MaxNumberOfJobs, "
            f"[{asked}]. Provide additional ranges."
        )


def _combinations(ranges: dict) -> float:
    """How many different choices there are: an integer, or infinity."""
    if ranges.get(CONTINUOUS):
        return math.inf
    integers = (
        int(one["MaxValue"]) - int(one["MinValue"]) + 1
        for one in ranges.get(INTEGER, [])
    )
    choices = (len(one["Values"]) for one in ranges.get(CATEGORICAL, []))
    return math.prod((*integers, *choices))
