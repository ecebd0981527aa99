"""Checks of one hyperparameter against others that a request sets.

Each is given the value and the hyperparameters that were checked before it, and raises
UserError with the official text.
"""

from typing import Any

from local_aws.containers.xgboost.errors import UserError

Validated = dict[str, Any]


def check_updater(value: list[str], given: Validated) -> None:
    """One that fits the booster and the process."""
    grow = ("grow_colmaker", "distcol", "grow_histmaker")
    refine = ("refresh", "prune")
    if given.get("booster") == "gblinear":
        if len(value) != 1 or value[0] not in ("shotgun", "coord_descent"):
            raise UserError(
                "Linear updater should be one of these options: "
                "'shotgun', 'coord_descent'."
            )
    elif given.get("process_type") == "update":
        if not set(value) <= set(refine):
            raise UserError(
                "process_type 'update' can only be used with updater "
                "'refresh' and 'prune'"
            )
    elif not set(value) <= {*grow, "grow_skmaker", "sync", *refine}:
        raise UserError(
            "Tree updater should be selected from these options: 'grow_colmaker', "
            "'distcol', 'grow_histmaker', 'grow_local_histmaker', 'grow_skmaker', "
            "'grow_quantile_histmaker', 'sync', 'refresh', 'prune', 'shortgun', "
            "'coord_descent'."
        )
    elif sum(name in grow for name in value) > 1:
        raise UserError(
            "Only one tree grow plugin can be selected. Choose one from the"
            "following: 'grow_colmaker', 'distcol', 'grow_histmaker', "
            "'grow_local_histmaker', 'grow_skmaker'"
        )


def check_objective(value: str, given: Validated) -> None:
    """The number of classes belongs to some of them."""
    if value in ("multi:softmax", "multi:softprob") and given.get("num_class") is None:
        raise UserError(
            "Require input for parameter 'num_class' for multi-classification"
        )


def check_eval_metric(value: list[str], given: Validated) -> None:
    """Some metrics belong to some objectives."""
    # The image has no text for an eval_metric without an objective: the job ends
    # with this line's bare KeyError, and so it does here.
    objective = given["objective"]
    if "auc" in value and not objective.startswith(("binary:", "rank:")):
        raise UserError(
            "Metric 'auc' can only be applied for classification and ranking problems."
        )
    if "aft-nloglik" in value and objective != "survival:aft":
        raise UserError(
            "Metric 'aft-nloglik' can only be applied for 'survival:aft' objective."
        )


def check_monotone_constraints(value: tuple, given: Validated) -> None:
    """They belong to some methods."""
    if given.get("tree_method") not in ("exact", "hist"):
        raise UserError(
            "monotone_constraints can be used only when the tree_method parameter is "
            "set to either 'exact' or 'hist'."
        )


def check_interaction_constraints(value: list, given: Validated) -> None:
    """They belong to some methods."""
    if given.get("tree_method") not in ("exact", "hist", "approx"):
        raise UserError(
            "interaction_constraints can be used only when the tree_method parameter "
            "is set to either 'exact', 'hist' or 'approx'."
        )
