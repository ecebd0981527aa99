"""Write boston_housing.csv from the copy of the data that mlxtend carries.

Usage: python -m data.make_boston_housing [FILE]

The values are written with the fewest digits that give the same number back, one
form on every machine, so the file's checksum says whether it is the same data.
Source of the values and of the order of the columns: mlxtend 0.25,
mlxtend.data.boston_housing_data.
"""

import csv
import sys
from pathlib import Path

COLUMNS = (
    "CRIM",
    "ZN",
    "INDUS",
    "CHAS",
    "NOX",
    "RM",
    "AGE",
    "DIS",
    "RAD",
    "TAX",
    "PTRATIO",
    "B",
    "LSTAT",
    "MEDV",
)
DEFAULT_FILE = Path(__file__).with_name("boston_housing.csv")


def shortest(value: float) -> str:
    """Write a number with no more digits than it needs: 24, not 24.0."""
    return str(int(value)) if value == int(value) else repr(float(value))


def make(path: Path = DEFAULT_FILE) -> None:
    """Write the csv: a header, 506 rows, 13 features and the target MEDV last."""
    # Only this program needs mlxtend; a lesson reads the finished file.
    from mlxtend.data import boston_housing_data

    features, target = boston_housing_data()
    with path.open("w", encoding="ascii", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row, price in zip(features, target, strict=True):
            writer.writerow([shortest(value) for value in (*row, price)])


if __name__ == "__main__":
    make(*(Path(argument) for argument in sys.argv[1:2]))
