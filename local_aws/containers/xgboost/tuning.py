"""Which hyperparameters may be tuned, and by which metrics.

Source: the image's open source, which marks them as tunable; their limits are those of
every request. The ranges of the AWS page "Tune an XGBoost Model" are recommendations:
AWS's own examples go beyond them.
"""

from local_aws.containers.tuning import Tunable, Tuning
from local_aws.containers.xgboost import metrics
from local_aws.containers.xgboost.hyperparameters import HYPERPARAMETERS

_TUNABLE = (
    "num_round",
    "eta",
    "gamma",
    "max_depth",
    "min_child_weight",
    "max_delta_step",
    "subsample",
    "colsample_bytree",
    "colsample_bylevel",
    "colsample_bynode",
    "lambda",
    "alpha",
)


def _tunable(name: str) -> Tunable:
    hyperparameter = HYPERPARAMETERS[name]

    def accepts(text: str) -> bool:
        try:
            return hyperparameter.parse(text) in hyperparameter.allowed
        except ValueError:
            return False

    kind = "integer" if hyperparameter.parse is int else "continuous"
    return Tunable(kind, accepts, str(hyperparameter.allowed))


TUNING = Tuning(
    hyperparameters={name: _tunable(name) for name in _TUNABLE},
    objectives={
        f"validation:{name}": direction
        for names, direction in (
            (metrics.MAXIMIZE, "Maximize"),
            (metrics.MINIMIZE, "Minimize"),
        )
        for name in names
    },
)
