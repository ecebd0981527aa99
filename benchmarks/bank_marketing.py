"""(12) The bank-marketing data: training on all of it, and scoring its test set."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.figures import Figure
from benchmarks.invocation import deploy
from benchmarks.measuring import Run, in_turns, seconds
from benchmarks.stand_in import (
    BUCKET,
    artifact,
    new_name,
    running,
    temporary_folder,
    train,
)
from benchmarks.training import CORES, bare_process
from local_aws.installation import ROLE_ARN
from utils.bank_marketing import (
    BANK_TARGET,
    encode_bank_marketing,
    load_bank_marketing,
    split_bank_marketing,
)

ROWS_PER_REQUEST = 500
# Lesson 08's.
SETTINGS = {
    "objective": "binary:logistic",
    "eval_metric": "logloss",
    "num_round": "200",
    "early_stopping_rounds": "10",
    "max_depth": "4",
    "eta": "0.1",
    "subsample": "0.8",
    "seed": "5",
}


def measure(run: Run) -> list[Figure]:
    """A job next to a fresh process; the endpoint next to predictions in this one."""
    calls = load_bank_marketing()
    whose = "" if calls.attrs["source"] == "UCI" else " (synthetic)"
    parts = split_bank_marketing(calls[: run.size(len(calls), 500)], seed=5)
    tables = [encode_bank_marketing(part) for part in parts]
    payloads = payloads_of(tables[2].drop(columns=BANK_TARGET))
    with running() as stand_in, temporary_folder() as folder:
        channels = {}
        for name, table in zip(("train", "validation"), tables, strict=False):
            channels[name] = str(folder / f"{name}.csv")
            table.to_csv(channels[name], header=False, index=False)
            key = f"{name}/{name}.csv"
            stand_in.client("s3").upload_file(channels[name], BUCKET, key)
        settings = folder / "settings.json"
        settings.write_text(
            json.dumps(
                {
                    "channels": channels,
                    "hyperparameters": SETTINGS,
                    "threads": CORES,
                    "model": str(folder / "model.ubj"),
                    "scikit_learn": False,
                }
            )
        )
        keys = {name: name for name in channels}
        jobs: list[dict] = []
        training = in_turns(
            run.size(7, 1),
            {
                "ours": lambda: seconds(
                    lambda: jobs.extend(train(stand_in, keys, SETTINGS, 0.01))
                ),
                "floor": lambda: seconds(lambda: bare_process(settings, CORES)),
            },
        )
        model = model_of(stand_in.client("sagemaker"), jobs[0])
        endpoint = deploy(stand_in, model)
        client = stand_in.client("sagemaker-runtime")
        bare = Bare(artifact(stand_in, model, folder))
        ways = {
            "ours": lambda: invoked(client, endpoint, payloads),
            "floor": lambda: bare.scores(payloads),
        }
        # The same numbers, or the times say nothing. It warms both up as well.
        np.testing.assert_allclose(ways["ours"](), ways["floor"](), rtol=1e-5)
        scoring = in_turns(
            run.size(15, 1),
            {name: lambda way=way: seconds(way) for name, way in ways.items()},
        )
    rows = sum(map(len, tables[:2]))
    return [
        Figure(
            12,
            f"job on {rows:,} of the bank's calls{whose}, create to Completed",
            training["ours"],
            training["floor"],
            f"a fresh process with xgboost alone, {CORES} threads",
            "s",
        ),
        Figure(
            12,
            f"{len(tables[2]):,} calls scored in {len(payloads)} requests{whose}",
            1000 * scoring["ours"],
            1000 * scoring["floor"],
            "the same csv read by pandas, scored by xgboost in one process",
            "ms",
        ),
    ]


def payloads_of(table: pd.DataFrame) -> list[bytes]:
    """The rows as csv, in pieces of ROWS_PER_REQUEST."""
    return [
        table[start : start + ROWS_PER_REQUEST]
        .to_csv(header=False, index=False)
        .encode()
        for start in range(0, len(table), ROWS_PER_REQUEST)
    ]


def model_of(sagemaker: Any, job: dict) -> str:
    """Make a Model of a job's artifact; its name."""
    name = new_name("model")
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE_ARN,
        PrimaryContainer={
            "Image": job["AlgorithmSpecification"]["TrainingImage"],
            "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
        },
    )
    return name


def invoked(client: Any, endpoint: str, payloads: list[bytes]) -> np.ndarray:
    """The scores of all payloads, from the endpoint."""
    replies = [
        client.invoke_endpoint(
            EndpointName=endpoint, Body=payload, ContentType="text/csv"
        )["Body"].read()
        for payload in payloads
    ]
    return np.concatenate([np.array(r.decode().split(), float) for r in replies])


class Bare:
    """The model in this process, with one thread, as in a container."""

    def __init__(self, file: Path) -> None:
        import xgboost

        self._booster = xgboost.Booster()
        self._booster.load_model(bytearray(file.read_bytes()))
        self._booster.set_param({"nthread": 1})
        best = self._booster.attr("best_iteration")
        self._rounds = (0, int(best) + 1) if best else (0, 0)

    def scores(self, payloads: list[bytes]) -> np.ndarray:
        """The scores of all payloads."""
        return np.concatenate([self._score(payload) for payload in payloads])

    def _score(self, payload: bytes) -> np.ndarray:
        rows = pd.read_csv(io.BytesIO(payload), header=None, dtype=np.float32)
        return self._booster.inplace_predict(
            rows.to_numpy(), iteration_range=self._rounds
        )
