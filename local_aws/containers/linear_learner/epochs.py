"""Training epoch after epoch, until the last or until nothing gets better."""

import time
from dataclasses import dataclass, replace

import numpy as np

from local_aws.containers.linear_learner.candidates import Candidate
from local_aws.containers.linear_learner.data import Records
from local_aws.containers.linear_learner.errors import CustomerError
from local_aws.containers.linear_learner.hyperparameters import Values
from local_aws.containers.linear_learner.model import Solutions
from local_aws.containers.linear_learner.predictor_types import PredictorType
from local_aws.containers.linear_learner.report import Report

# The greatest loss: the model's scores have 32 bits.
_OVERFLOW = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Best:
    """The best model so far, and how many epochs have brought nothing better.

    solution: that model alone. rank: the higher the better.
    """

    candidate: Candidate
    solution: Solutions
    rank: float
    epochs_since: int = 0

    def or_better(self, new: "Best", tolerance: float) -> "Best":
        """The better of the two, with the count that early stopping goes by.

        An improvement of less than `tolerance`, relative to the best, does not count,
        but the model is kept.
        """
        if new.rank > self.rank + tolerance * abs(self.rank):
            return new
        kept = new if new.rank > self.rank else self
        return replace(kept, epochs_since=self.epochs_since + 1)


def train(
    values: Values,
    kind: PredictorType,
    records: dict[str, Records],
    report: Report,
) -> tuple[Best, list[float]]:
    """The model that is best by the criterion on the validation data, or by the loss on
    the training data if there is no other, and how many milliseconds each epoch took.
    """
    models = kind.models(records["train"])
    rows = len(records["train"].labels)
    batches = -(-rows // values["mini_batch_size"])
    best: Best | None = None
    times = []
    for epoch in range(values["epochs"]):
        begun = time.time()
        models.train_epoch()
        seconds = time.time() - begun
        solutions, ranks = _judge(kind, models.solutions(), records, epoch, report)
        at = int(np.argmax(ranks))
        candidate = models.candidates[solutions.numbers[at]]
        new = Best(candidate, solutions.where([at]), ranks[at])
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


def _judge(
    kind: PredictorType,
    solutions: Solutions,
    records: dict[str, Records],
    epoch: int,
    report: Report,
) -> tuple[Solutions, np.ndarray]:
    """The models that have not diverged, and how good each is; reports their losses.

    CustomerError if there is none.
    """
    losses = kind.losses("train", solutions, records["train"])
    fine = losses < _OVERFLOW
    if not fine.any():
        raise CustomerError(
            "Training diverged: the numbers overflowed in every model. Use a "
            "smaller learning_rate or normalize_data true."
        )
    losses, solutions = losses[fine], solutions.where(fine)
    report.epoch_losses("train", kind.objective, epoch, solutions.numbers, losses)
    criterion, ranks = kind.objective, -losses
    if "validation" in records:
        validation = records["validation"]
        losses = kind.losses("validation", solutions, validation)
        report.epoch_losses(
            "validation", kind.objective, epoch, solutions.numbers, losses
        )
        criterion, ranks = kind.criterion, kind.ranks(solutions, validation, losses)
    # Ranked by their losses the best has the least.
    best = losses.min() if criterion == kind.objective else ranks.max()
    report.early_stopping(criterion, epoch, float(best))
    return solutions, ranks


def _report_progress(best: Best, epoch: int, report: Report) -> None:
    if best.epochs_since == 0:
        report.info(f"Epoch {epoch}: Loss improved. Updating best model")
        return
    # The first such epoch is number 0 in AWS's log.
    since = best.epochs_since - 1
    report.info(f"Epoch {epoch}: Loss has not improved for {since} epochs.")
