"""The model of lessons 08 and 10, trained with plain xgboost, outside of SageMaker."""

import numpy as np
import pandas as pd
import xgboost

from utils.training import bank_marketing_hyperparameters


def plain_xgboost(tables: list[pd.DataFrame], seed: int) -> list[np.ndarray]:
    """Train on the first table, stop by the second, and predict all of them."""
    matrices = [
        xgboost.DMatrix(
            table.drop(columns="y").to_numpy(np.float32), label=table["y"].to_numpy()
        )
        for table in tables
    ]
    settings = bank_marketing_hyperparameters(seed) | {"nthread": 1}
    rounds, patience = map(settings.pop, ("num_round", "early_stopping_rounds"))
    model = xgboost.train(
        settings,
        matrices[0],
        rounds,
        evals=[(matrices[1], "validation")],
        early_stopping_rounds=patience,
        verbose_eval=False,
    )
    kept = (0, model.best_iteration + 1)
    return [model.predict(matrix, iteration_range=kept) for matrix in matrices]
