"""The image's `train` program."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from local_aws.containers import contract
from local_aws.containers.linear_learner import (
    channels,
    data,
    hyperparameters,
    log,
    model,
    regressor,
    scaling,
    solver,
)
from local_aws.containers.linear_learner.data import Records
from local_aws.containers.linear_learner.errors import (
    CustomerError,
    PlatformError,
    describe_failure,
)
from local_aws.containers.linear_learner.report import Report

# The greatest loss: the model is to answer in 32 bits.
_OVERFLOW = float(np.finfo(np.float32).max)

_DEFAULTS_FILE = (
    "/opt/amazon/lib/python3.8/site-packages/algorithm/resources/default-input.json"
)


def main() -> int:
    """Train as the container contract says; returns the exit code."""
    log.configure()
    return contract.train(train, describe_failure)


def train(root: Path) -> None:
    """Check the request, read the data, train and save model/model_algo-1.

    root: the folder that stands for /opt/ml. Raises CustomerError or PlatformError.
    """
    started = time.time()
    print("Docker entrypoint called with argument(s): train")
    print("Running default environment configuration script")
    given = _configuration(root, "hyperparameters")
    host = _only_host(root)
    report = Report(host)
    report.info(
        f"Reading default configuration from {_DEFAULTS_FILE}: "
        f"{hyperparameters.DEFAULTS}"
    )
    report.info(
        "Merging with provided configuration from "
        f"{root}/input/config/hyperparameters.json: {dict(sorted(given.items()))}"
    )
    report.info(f"Final configuration: {hyperparameters.merge(given)}")
    values = hyperparameters.validate(given)
    loss = regressor.choose_loss(values)
    content_types = channels.validate(_configuration(root, "inputdataconfig"))
    report.info("Using default worker.")
    report.info("Checkpoint loading and saving are disabled.")
    _say_what_has_no_effect(given)
    records = {
        name: data.read(
            name,
            root / "input" / "data" / name,
            content_type,
            values["mini_batch_size"],
        )
        for name, content_type in content_types.items()
    }
    _check_sizes(values, records)
    report.info("Create Store: local")
    report.info("Number of GPUs being used: 0")
    fitted = _fit(values, loss, records, report, started)
    model.save(fitted, root / "model")


def _configuration(root: Path, name: str) -> dict[str, Any]:
    try:
        return contract.read_configuration(root, name)
    except FileNotFoundError as error:
        raise PlatformError(f"There is no {error.filename}", caused_by=error) from error


def _only_host(root: Path) -> str:
    host, hosts = contract.read_hosts(root)
    if len(hosts) > 1:
        raise CustomerError(
            "This local Linear Learner container does not support training on several "
            "instances (InstanceCount above 1)."
        )
    return host


def _say_what_has_no_effect(given: dict[str, str]) -> None:
    ignored = hyperparameters.without_effect(given)
    if ignored:
        log.logger.warning(
            "This local Linear Learner container optimises by averaged stochastic "
            f"gradient descent; it takes no notice of: {', '.join(ignored)}."
        )


def _check_sizes(values: hyperparameters.Values, records: dict[str, Records]) -> None:
    """feature_dim and mini_batch_size against what is in the channels."""
    columns = values["feature_dim"]
    if columns == "auto":
        columns = records["train"].features.shape[1]
    for name, channel in records.items():
        found = channel.features.shape[1]
        if found != columns:
            raise CustomerError(
                f"Data channel '{name}' has {found} features, and {columns} were "
                "expected (feature_dim, or what data channel 'train' has)."
            )
    size, rows = values["mini_batch_size"], len(records["train"].labels)
    if size > rows:
        raise CustomerError(
            f"The mini_batch_size ({size}) is greater than the number of samples "
            f"({rows}) in data channel 'train'."
        )


@dataclass
class _Best:
    """The best model so far, and how many epochs have brought nothing better.

    solution: coefficients and intercept for scaled records.
    """

    candidate: solver.Candidate
    solution: tuple[np.ndarray, float]
    loss: float
    epochs_since: int = 0


def _fit(
    values: hyperparameters.Values,
    loss: regressor.Loss,
    records: dict[str, Records],
    report: Report,
    started: float,
) -> model.LinearModel:
    """Train all models and return the best one; reports every epoch and the end."""
    scales = scaling.measure(values, records["train"])
    report.info(
        "Scaling model computed with parameters:\n"
        f"    {{'stdev_weight': {scales.deviations}, 'mean_weight': {scales.means}, "
        f"'stdev_label': {scales.label_deviation}, 'mean_label': {scales.label_mean}}}"
    )
    scaled = {name: scales.apply(channel) for name, channel in records.items()}
    learners = {
        number: solver.Learner(candidate, loss, values["use_bias"], scaled["train"])
        for number, candidate in enumerate(solver.candidates(values))
    }
    initialized = time.time()
    epoch_times: list[float] = []
    best = _train_epochs(values, loss, scaled, scales, learners, report, epoch_times)
    finalizing = time.time()
    watched = "validation" if "validation" in records else "train"
    weights, bias = scales.undo(*best.solution)
    fitted = model.LinearModel("regressor", weights[:, None], np.array([bias]))
    _report_final(watched, fitted, loss, scales, records, report)
    report.info(
        f"Best model found for hyperparameters: "
        f"{json.dumps(best.candidate.description())}"
    )
    if "test" in records:
        _report_final("test", fitted, loss, scales, records, report)
    else:
        report.info("Test data is not provided.")
    ended = time.time()
    report.metrics(
        {
            "initialize.time": [1000 * (initialized - started)],
            "epochs": [values["epochs"]],
            "update.time": epoch_times,
            "finalize.time": [1000 * (ended - finalizing)],
            "totaltime": [1000 * (ended - started)],
        },
        started,
    )
    return fitted


def _train_epochs(
    values: hyperparameters.Values,
    loss: regressor.Loss,
    scaled: dict[str, Records],
    scales: scaling.Scaling,
    learners: dict[int, solver.Learner],
    report: Report,
    times: list[float],
) -> _Best:
    """Train epoch after epoch until the last or until nothing gets better.

    The model that is best on the validation data is kept, or on the training data if
    there is no other. Losses on training data are in units of the scaled label and on
    validation data in the label's own, as in AWS's log. times: each epoch's
    milliseconds are appended.
    """
    watched = "validation" if "validation" in scaled else "train"
    rows = len(scaled["train"].labels)
    batches = -(-rows // values["mini_batch_size"])
    best: _Best | None = None
    for epoch in range(values["epochs"]):
        begun = time.time()
        for learner in learners.values():
            if not learner.diverged:
                learner.train_epoch(epoch * batches)
        seconds = time.time() - begun
        alive = {n: one.solution() for n, one in learners.items() if not one.diverged}
        losses = _epoch_losses("train", loss, scaled, 1.0, alive)
        for number in [n for n, value in losses.items() if not value < _OVERFLOW]:
            learners[number].diverged = True
            del losses[number], alive[number]
        if not alive:
            raise CustomerError(
                "Training diverged: the numbers overflowed in every model. Use a "
                "smaller learning_rate or normalize_data true."
            )
        report.epoch_losses("train", loss.objective, epoch, losses)
        if watched != "train":
            unit = scales.label_deviation
            losses = _epoch_losses(watched, loss, scaled, unit, alive)
            report.epoch_losses(watched, loss.objective, epoch, losses)
        number = min(losses, key=losses.__getitem__)
        report.early_stopping(loss.objective, epoch, losses[number])
        best = _better(
            best,
            _Best(learners[number].candidate, alive[number], losses[number]),
            values["early_stopping_tolerance"],
            epoch,
            report,
        )
        times.append(1000 * (time.time() - begun))
        stop = best.epochs_since >= values["early_stopping_patience"]
        if stop:
            report.info("Early stop condition met. Stopping training.")
        done = 1.0 if stop else (epoch + 1) / values["epochs"]
        report.progress(int(100 * done))
        report.metrics(
            {
                "Number of Records Since Last Reset": [rows],
                "Number of Batches Since Last Reset": [batches],
                "Total Records Seen": [(epoch + 1) * rows],
                "Total Batches Seen": [(epoch + 1) * batches],
            },
            begun,
            Meta="training_data_iter",
            epoch=epoch,
        )
        report.throughput(rows, seconds)
        if stop:
            break
    return best


def _epoch_losses(
    name: str,
    loss: regressor.Loss,
    scaled: dict[str, Records],
    unit: float,
    solutions: dict[int, tuple[np.ndarray, float]],
) -> dict[int, float]:
    """Each model's mean loss on one channel, by the model's number.

    unit: in what the scaled residuals are to be expressed.
    """
    channel = scaled[name]
    found = {}
    for number, (coefficients, intercept) in solutions.items():
        with np.errstate(over="ignore", invalid="ignore"):
            residuals = channel.features @ coefficients + intercept - channel.labels
            found[number] = loss.mean(unit * residuals, unit)
    return found


def _better(
    best: _Best | None,
    new: _Best,
    tolerance: float,
    epoch: int,
    report: Report,
) -> _Best:
    """The better of the two, with the count that early stopping goes by.

    An improvement of less than `tolerance`, relative to the best loss, does not
    count, but the model is kept.
    """
    if best is None or new.loss < best.loss * (1 - tolerance):
        report.info(f"Epoch {epoch}: Loss improved. Updating best model")
        return new
    # The first such epoch is number 0 in AWS's log.
    report.info(f"Epoch {epoch}: Loss has not improved for {best.epochs_since} epochs.")
    kept = new if new.loss < best.loss else best
    return _Best(kept.candidate, kept.solution, kept.loss, best.epochs_since + 1)


def _report_final(
    name: str,
    fitted: model.LinearModel,
    loss: regressor.Loss,
    scales: scaling.Scaling,
    records: dict[str, Records],
    report: Report,
) -> None:
    channel = records[name]
    residuals = fitted.scores(channel.features)[:, 0] - channel.labels
    unit = scales.label_deviation
    report.final_scores(name, regressor.final_metrics(loss, residuals, unit))
