"""Names of the metrics, and how the platform finds them in the log.

No import of xgboost or numpy here: the control plane reads these tables too.
"""

MAXIMIZE = [
    "accuracy",
    "auc",
    "aucpr",
    "balanced_accuracy",
    "f1",
    "f1_binary",
    "f1_macro",
    "map",
    "ndcg",
    "precision",
    "r2",
    "recall",
    "precision_macro",
    "precision_micro",
    "recall_macro",
    "recall_micro",
]

MINIMIZE = [
    "aft-nloglik",
    "cox-nloglik",
    "error",
    "gamma-deviance",
    "gamma-nloglik",
    "interval-regression-accuracy",
    "logloss",
    "mae",
    "mape",
    "merror",
    "mlogloss",
    "mphe",
    "mse",
    "poisson-nloglik",
    "rmse",
    "rmsle",
    "tweedie-nloglik",
]

# What _tuning_objective_metric may be.
TUNING_OBJECTIVES = [f"validation:{name}" for name in MAXIMIZE + MINIMIZE]

# The image's own regex takes all characters up to a blank, and so all metrics that
# follow. DescribeTrainingJob of a built-in XGBoost job has this one, for
# train and for validation: a number, then anything. #011 is the TAB of a log line
# as CloudWatch Logs shows it.
_NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"


def metric_definitions() -> list[dict[str, str]]:
    """Name and Regex of every metric that the image can print, train ones first."""
    return [
        {
            "Name": f"{data}:{name}",
            "Regex": rf".*\[[0-9]+\].*#011{data}-{name}:{_NUMBER}.*",
        }
        for data in ("train", "validation")
        for name in sorted(MAXIMIZE + MINIMIZE)
    ]
