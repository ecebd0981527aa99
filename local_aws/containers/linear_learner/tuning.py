"""Which hyperparameters may be tuned, and by which metrics.

Source: AWS page "Tune a linear learner model"; the limits are those of every request,
and the ranges of that page recommendations.
"""

from local_aws.containers.linear_learner.hyperparameters import HYPERPARAMETERS
from local_aws.containers.linear_learner.metrics import metric_definitions
from local_aws.containers.tuning import Tunable, Tuning

# The limits are said in the words of the page "Linear learner hyperparameters".
_TUNABLE = {
    "l1": ("continuous", "[0, +inf)"),
    "learning_rate": ("continuous", "(0, +inf)"),
    "mini_batch_size": ("integer", "[1, +inf)"),
    "positive_example_weight_mult": ("continuous", "(0, +inf)"),
    "use_bias": ("categorical", "['true', 'false']"),
    "wd": ("continuous", "[0, +inf)"),
}

# What the page says of a metric whose name ends so; all others are to be maximized.
_LOSSES = ("loss", "mse", "rmse")


def _objectives() -> dict[str, str]:
    """The metrics of the final model on data that it was not trained on."""
    names = [
        definition["Name"]
        for definition in metric_definitions()
        if definition["Name"].startswith(("test:", "validation:"))
        and not definition["Name"].endswith(":final")
    ]
    return {
        name: "Minimize" if name.endswith(_LOSSES) else "Maximize" for name in names
    }


TUNING = Tuning(
    hyperparameters={
        name: Tunable(kind, HYPERPARAMETERS[name][0].accepts, limits)
        for name, (kind, limits) in _TUNABLE.items()
    },
    objectives=_objectives(),
)
