"""The same task for a small neural network, for SageMaker's PyTorch image.

Everything that SageMaker has to do with is as in train.py: arguments, folders, metrics
in the log, a file in the model's folder.
"""

import argparse
import os
from pathlib import Path

import pandas as pd
import torch
from rows import CATEGORIES, NUMBERS, TARGET
from torch import nn

SCALES = {"age": 100.0, "campaign": 10.0, "pdays": 1000.0, "previous": 5.0}


def parse_arguments():
    """Read hyperparameters and folders; SageMaker names these in SM_ variables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--learning-rate", type=float, default=0.003)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
    parser.add_argument("--validation", default=os.environ.get("SM_CHANNEL_VALIDATION"))
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR"))
    return parser.parse_args()


def read(folder):
    """Read a channel's csv files; return one-hot features, and who bought."""
    calls = pd.concat(
        [pd.read_csv(file) for file in sorted(Path(folder).glob("*.csv"))]
    )
    columns = [calls[name] / SCALES[name] for name in NUMBERS]
    for name, words in CATEGORIES.items():
        columns += [calls[name] == word for word in words]
    features = torch.tensor(pd.concat(columns, axis=1).to_numpy("float32"))
    bought = torch.tensor((calls[TARGET] == "yes").to_numpy("float32"))
    return features, bought


def main():
    """Train, report after each epoch, and save the weights."""
    arguments = parse_arguments()
    torch.manual_seed(arguments.seed)
    calls, bought = read(arguments.train)
    others, others_bought = read(arguments.validation)
    print(f"{len(calls)} calls to learn from, {len(others)} to validate", flush=True)

    network = nn.Sequential(nn.Linear(calls.shape[1], 32), nn.ReLU(), nn.Linear(32, 1))
    logloss = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(network.parameters(), arguments.learning_rate)
    for epoch in range(1, arguments.epochs + 1):
        for batch in torch.randperm(len(calls)).split(128):
            optimizer.zero_grad()
            logloss(network(calls[batch]).squeeze(1), bought[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            loss = logloss(network(others).squeeze(1), others_bought)
        print(f"epoch={epoch} validation-logloss={loss:.4f}", flush=True)

    torch.save(network.state_dict(), Path(arguments.model_dir) / "model.pt")


if __name__ == "__main__":
    main()
