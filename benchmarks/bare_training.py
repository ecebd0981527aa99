"""The floor of the training lines: read csv, train, save, and nothing else.

`python benchmarks/bare_training.py SETTINGS.json`, a file, not a module, and without
imports that the work does not need. The settings: "channels" maps names to csv files
without header, the target first; "hyperparameters" as a job gets them; "threads";
"model", the file to write; "scikit_learn": whether xgboost may import it.
"""

import json
import sys
import warnings
from pathlib import Path


def train(settings: dict, xgboost: object) -> None:
    """Do the work of one training job with xgboost's own functions."""
    parameters = dict(settings["hyperparameters"])
    rounds = int(parameters.pop("num_round"))
    patience = parameters.pop("early_stopping_rounds", None)
    threads = settings["threads"]
    matrices = {
        name: read(file, threads, xgboost)
        for name, file in settings["channels"].items()
    }
    booster = xgboost.train(
        {**parameters, "nthread": threads},
        matrices["train"],
        rounds,
        evals=[(matrix, name) for name, matrix in matrices.items()],
        early_stopping_rounds=int(patience) if patience else None,
        verbose_eval=False,
    )
    booster.save_model(settings["model"])


def read(file: str, threads: int, xgboost: object) -> object:
    """A DMatrix of a csv file by xgboost's own reader, the fastest one here."""
    warnings.filterwarnings("ignore", message=".*Text file input has been deprecated")
    return xgboost.DMatrix(f"{file}?format=csv&label_column=0", nthread=threads)


def import_xgboost(scikit_learn: bool) -> object:
    """Import xgboost, with or without the scikit-learn that it takes if it is there."""
    if not scikit_learn:
        # A module that is None can't be imported; xgboost goes on without it.
        sys.modules["sklearn"] = None
    import xgboost

    return xgboost


if __name__ == "__main__":
    from_file = json.loads(Path(sys.argv[1]).read_text())
    train(from_file, import_xgboost(from_file["scikit_learn"]))
