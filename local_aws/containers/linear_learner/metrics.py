"""Names of the metrics, and how the platform finds them in the log.

Names and regexes are those that DescribeHyperParameterTuningJob had for a job of
the image in 2020, and roc_auc_score and validation:rmse, which the AWS page on tuning
Linear Learner has listed since. No heavy import here: the control plane reads them too.
"""

_HOST = r"#quality_metric: host=\S+, "

# Metric name without its data set -> how the log names it, and of which kind it is.
_FINAL = {
    "absolute_loss": ("absolute_loss", "loss"),
    "binary_classification_accuracy": ("binary_classification_accuracy", "score"),
    "binary_f_beta": (r"binary_f_\S+", "score"),
    "dcg": ("dcg", "score"),
    "macro_f_beta": (r"macro_f_\S+", "score"),
    "macro_precision": ("macro_precision", "score"),
    "macro_recall": ("macro_recall", "score"),
    "mse": ("mse", "loss"),
    "multiclass_accuracy": ("multiclass_accuracy", "score"),
    "multiclass_top_k_accuracy": (r"multiclass_top_k_accuracy_\S+", "score"),
    "precision": ("precision", "score"),
    "recall": ("recall", "score"),
    "rmse": ("rmse", "loss"),
    "roc_auc_score": ("roc_auc_score", "score"),
}

# CreateTrainingJob takes 40 definitions, so that not every data set has every metric.
_ONLY_TEST_AND_VALIDATION = {
    "dcg",
    "macro_f_beta",
    "macro_precision",
    "macro_recall",
    "multiclass_accuracy",
    "multiclass_top_k_accuracy",
    "roc_auc_score",
}
_ONLY_VALIDATION = {"rmse"}


def metric_definitions() -> list[dict[str, str]]:
    """Name and Regex of every metric that the image can print (40, AWS's limit)."""
    found = {
        "train:progress": r"#progress_metric: host=\S+, completed (\S+) %",
        "train:throughput": (
            r"#throughput_metric: host=\S+, train throughput=(\S+) records/second"
        ),
        "test:objective_loss": _HOST + r"test \S+_objective <loss>=(\S+)",
    }
    for data in ("train", "validation"):
        objective = data + r" \S+_objective <loss>=(\S+)"
        found[f"{data}:objective_loss"] = _HOST + r"epoch=\S+, " + objective
        found[f"{data}:objective_loss:final"] = _HOST + objective
    for name, (logged, kind) in _FINAL.items():
        for data in _data_sets(name):
            found[f"{data}:{name}"] = f"{_HOST}{data} {logged} <{kind}>=" + r"(\S+)"
    return [{"Name": name, "Regex": found[name]} for name in sorted(found)]


def _data_sets(name: str) -> tuple[str, ...]:
    if name in _ONLY_VALIDATION:
        return ("validation",)
    if name in _ONLY_TEST_AND_VALIDATION:
        return ("test", "validation")
    return ("test", "train", "validation")
