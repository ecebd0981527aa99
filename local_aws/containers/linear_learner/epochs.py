"""Training epoch after epoch, until the last or until nothing gets better."""

import time
from dataclasses import dataclass, replace

import numpy as np

from local_aws.containers.linear_learner.data import Records
from local_aws.containers.linear_learner.errors import CustomerError
from local_aws.containers.linear_learner.hyperparameters import Values
from local_aws.containers.linear_learner.regressor import Loss
from local_aws.containers.linear_learner.report import Report
from local_aws.containers.linear_learner.scaling import Scaling
from local_aws.containers.linear_learner.solver import Candidate, Learner

# The greatest loss: the model's scores have 32 bits.
_OVERFLOW = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Best:
    """The best model so far, and how many epochs have brought nothing better.

    solution: coefficients and intercept for scaled records.
    """

    candidate: Candidate
    solution: tuple[np.ndarray, float]
    loss: float
    epochs_since: int = 0

    def or_better(self, new: "Best", tolerance: float) -> "Best":
        """The better of the two, with the count that early stopping goes by.

        An improvement of less than `tolerance`, relative to the best loss, does not
        count, but the model is kept.
        """
        if new.loss < self.loss * (1 - tolerance):
            return new
        kept = new if new.loss < self.loss else self
        return replace(kept, epochs_since=self.epochs_since + 1)


def train(
    values: Values,
    loss: Loss,
    scaled: dict[str, Records],
    scales: Scaling,
    learners: dict[int, Learner],
    report: Report,
) -> tuple[Best, list[float]]:
    """The model that is best on the validation data, or on the training data if there
    is no other, and how many milliseconds each epoch took.

    Losses on training data are in units of the scaled label and on validation data in
    the label's own, as in AWS's log.
    """
    watched = "validation" if "validation" in scaled else "train"
    rows = len(scaled["train"].labels)
    batches = -(-rows // values["mini_batch_size"])
    best: Best | None = None
    times = []
    for epoch in range(values["epochs"]):
        begun = time.time()
        for learner in learners.values():
            if not learner.diverged:
                learner.train_epoch(epoch * batches)
        seconds = time.time() - begun
        losses, solutions = _losses_of_all(loss, scaled["train"], learners)
        report.epoch_losses("train", loss.objective, epoch, losses)
        if watched != "train":
            unit = scales.label_deviation
            losses = _losses(loss, scaled[watched], unit, solutions)
            report.epoch_losses(watched, loss.objective, epoch, losses)
        number = min(losses, key=losses.__getitem__)
        report.early_stopping(loss.objective, epoch, losses[number])
        new = Best(learners[number].candidate, solutions[number], losses[number])
        best = best.or_better(new, values["early_stopping_tolerance"]) if best else new
        _report_progress(best, epoch, report)
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
    return best, times


def _report_progress(best: Best, epoch: int, report: Report) -> None:
    if best.epochs_since == 0:
        report.info(f"Epoch {epoch}: Loss improved. Updating best model")
        return
    # The first such epoch is number 0 in AWS's log.
    since = best.epochs_since - 1
    report.info(f"Epoch {epoch}: Loss has not improved for {since} epochs.")


def _losses_of_all(
    loss: Loss, train: Records, learners: dict[int, Learner]
) -> tuple[dict[int, float], dict[int, tuple[np.ndarray, float]]]:
    """Losses on the training data and solutions of the models that have not diverged,
    by their numbers. CustomerError if there is none.
    """
    alive = {n: one.solution() for n, one in learners.items() if not one.diverged}
    losses = _losses(loss, train, 1.0, alive)
    for number in [n for n, value in losses.items() if not value < _OVERFLOW]:
        learners[number].diverged = True
        del losses[number], alive[number]
    if not alive:
        raise CustomerError(
            "Training diverged: the numbers overflowed in every model. Use a "
            "smaller learning_rate or normalize_data true."
        )
    return losses, alive


def _losses(
    loss: Loss,
    records: Records,
    unit: float,
    solutions: dict[int, tuple[np.ndarray, float]],
) -> dict[int, float]:
    """Each model's mean loss, by the model's number.

    unit: in what the scaled residuals are to be expressed.
    """
    found = {}
    for number, (coefficients, intercept) in solutions.items():
        with np.errstate(over="ignore", invalid="ignore"):
            residuals = records.features @ coefficients + intercept - records.labels
            found[number] = loss.mean(unit * residuals, unit)
    return found
