"""Train a model that says who buys a term deposit, on calls as people write them down.

SageMaker's scikit-learn image runs this file, and so does `python train.py` anywhere.
"""

import argparse
import os
import shutil
from pathlib import Path

import joblib
import pandas as pd
from rows import CATEGORIES, NUMBERS, TARGET
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

HERE = Path(__file__).parent
SERVED = ["inference.py", "rows.py", "requirements.txt"]  # goes with the model
STEP = 10  # boosting rounds between two lines of the log


def parse_arguments():
    """Read hyperparameters and folders; SageMaker names these in SM_ variables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--max-leaf-nodes", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
    parser.add_argument("--validation", default=os.environ.get("SM_CHANNEL_VALIDATION"))
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR"))
    return parser.parse_args()


def read(folder):
    """Read all csv files of a channel; return the features and who bought."""
    files = sorted(Path(folder).glob("*.csv"))
    calls = pd.concat([pd.read_csv(file) for file in files])
    return calls.drop(columns=TARGET), calls[TARGET] == "yes"


def make_encoder():
    """Make the preprocessing: words to numbers by the lists in rows.py."""
    words = OrdinalEncoder(categories=list(CATEGORIES.values()))
    return make_column_transformer((words, list(CATEGORIES)), ("passthrough", NUMBERS))


def report(rounds, model, parts):
    """Print a line with the logloss of each part, "train" and "validation"."""
    words = [f"rounds={rounds}"]
    for name, (features, bought) in parts.items():
        scores = model.predict_proba(features)[:, 1]
        words.append(f"{name}-logloss={log_loss(bought, scores):.4f}")
    print(*words, flush=True)


def main():
    """Train, report as it goes, and save pipeline and code in the model's folder."""
    arguments = parse_arguments()
    calls, bought = read(arguments.train)
    others, others_bought = read(arguments.validation)
    print(f"{len(calls)} calls to learn from, {len(others)} to validate", flush=True)

    encoder = make_encoder()
    parts = {
        "train": (encoder.fit_transform(calls), bought),
        "validation": (encoder.transform(others), others_bought),
    }
    model = HistGradientBoostingClassifier(
        learning_rate=arguments.learning_rate,
        max_leaf_nodes=arguments.max_leaf_nodes,
        categorical_features=list(range(len(CATEGORIES))),  # they come first
        early_stopping=False,
        warm_start=True,  # fit() goes on where it has stopped
        random_state=arguments.seed,
    )
    for rounds in [*range(STEP, arguments.rounds, STEP), arguments.rounds]:
        model.set_params(max_iter=rounds).fit(*parts["train"])
        report(rounds, model, parts)

    folder = Path(arguments.model_dir)
    joblib.dump(make_pipeline(encoder, model), folder / "model.joblib")
    (folder / "code").mkdir(exist_ok=True)
    for name in SERVED:
        shutil.copy(HERE / name, folder / "code")


if __name__ == "__main__":
    main()
