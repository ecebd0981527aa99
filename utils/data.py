"""The course's data sets, and the split and files that the Boston lessons share."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from utils.connect import Course

DATA = Path(__file__).resolve().parent.parent / "data"
TARGET = "MEDV"


def load_boston() -> pd.DataFrame:
    """Read the Boston housing data: 506 rows, 13 features, and MEDV last.

    MEDV, the target, is a median home value in thousands of dollars of about 1970.
    data/README.md says what each column is, and why lessons drop the column B.
    """
    return pd.read_csv(DATA / "boston_housing.csv")


def split_boston(
    seed: int, test_fraction: float = 0.33
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Give the rows for training, validation and test, without the column B.

    test_fraction of all rows are the test set, then as much of the rest the validation
    set. The same seed draws the same rows. Lesson 01 writes these lines out.
    """
    houses = load_boston().drop(columns="B")
    test = houses.sample(frac=test_fraction, random_state=seed)
    rest = houses.drop(index=test.index)
    validation = rest.sample(frac=test_fraction, random_state=seed)
    train = rest.drop(index=validation.index)
    return train, validation, test


def upload_boston(
    course: Course, seed: int, test_fraction: float = 0.33
) -> dict[str, str]:
    """Split the Boston data, write three csv files and upload them; give their S3 URIs.

    The keys are "train", "validation" and "test". The files are in course.folder, with
    no header and no index: for training and validation the target comes first, and the
    test file holds the features alone. Lesson 01 takes these steps one by one.
    """
    train, validation, test = split_boston(seed, test_fraction)
    features = [column for column in test.columns if column != TARGET]
    target_first = [TARGET, *features]
    files = {
        "train": train[target_first],
        "validation": validation[target_first],
        "test": test[features],
    }
    return upload_tables(course, files)


def upload_tables(
    course: Course, tables: Mapping[str, pd.DataFrame], bucket: str | None = None
) -> dict[str, str]:
    """Write each table to NAME.csv in course.folder and upload it; give the S3 URIs.

    The files have no header and no index. They go into the course's bucket if none is
    named.
    """
    bucket = bucket or course.bucket
    s3 = course.boto_session.client("s3")
    uris = {}
    for name, rows in tables.items():
        file = course.folder / f"{name}.csv"
        rows.to_csv(file, header=False, index=False)
        key = f"{course.prefix}/{name}/{name}.csv"
        s3.upload_file(str(file), bucket, key)
        uris[name] = f"s3://{bucket}/{key}"
    return uris


def load_tuning_comparison() -> pd.DataFrame:
    """Read what tuning gains on the Boston data, over many splits.

    For each split (`seed`) a row for lesson 01's settings (`search` is "by hand"), and
    one for each of 20 jobs of a Bayesian and of a Random search: what it tried, and its
    RMSE on the validation set and on the test set, in thousands of dollars.
    """
    return pd.read_csv(DATA / "tuning_comparison.csv")
