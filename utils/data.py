"""The course's data sets."""

from pathlib import Path

import pandas as pd

DATA = Path(__file__).resolve().parent.parent / "data"
TARGET = "MEDV"


def load_boston() -> pd.DataFrame:
    """Read the Boston housing data: 506 rows, 13 features, and MEDV last.

    MEDV, the target, is a median home value in thousands of dollars of about 1970.
    data/README.md says what each column is, and why lessons drop the column B.
    """
    return pd.read_csv(DATA / "boston_housing.csv")
