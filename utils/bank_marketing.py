"""The bank-marketing data: 41,188 phone calls, and which of them ended in a sale.

Lesson 08 takes each of these steps by itself; 09 and 10 call `upload_bank_marketing`.
data/bank_marketing.md says what each column is, and which of them lessons drop.
"""

import io
import json
import sys

import pandas as pd

from utils.bank_marketing_file import SAMPLE, SYNTHETIC, WHOLE, NoData, read_file
from utils.connect import Course
from utils.data import upload_tables
from utils.synthetic_bank_marketing import (
    NOT_CONTACTED,
    make_synthetic_bank_marketing,
)

# With these words begins what is printed where the data is not the real one.
MADE_UP = "SYNTHETIC DATA"
SAMPLE_SIZE = 4119
BANK_TARGET = "y"
# What the course's models see, beside `contacted_before`: no `duration`, which is known
# after the call only, and none of the five columns that describe the month.
BANK_NUMBERS = ("age", "campaign", "previous")
BANK_CATEGORIES = {
    "job": (
        "admin.",
        "blue-collar",
        "entrepreneur",
        "housemaid",
        "management",
        "retired",
        "self-employed",
        "services",
        "student",
        "technician",
        "unemployed",
        "unknown",
    ),
    "marital": ("divorced", "married", "single", "unknown"),
    "education": (
        "illiterate",
        "basic.4y",
        "basic.6y",
        "basic.9y",
        "high.school",
        "professional.course",
        "university.degree",
        "unknown",
    ),
    "default": ("no", "yes", "unknown"),
    "housing": ("no", "yes", "unknown"),
    "loan": ("no", "yes", "unknown"),
    "contact": ("cellular", "telephone"),
    "month": ("mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    "day_of_week": ("mon", "tue", "wed", "thu", "fri"),
    "poutcome": ("nonexistent", "failure", "success"),
}


def load_bank_marketing(sample: bool = False) -> pd.DataFrame:
    """Read the 41,188 phone calls, in the order of the file, which is that of dates.

    sample: UCI's own sample of 4,119 of them. Prints where they come from, and prints a
    warning if they are made up;
    `calls.attrs["source"]` is "UCI", or "synthetic" where the data set can't be had, or
    is not wanted (COURSE_DATA_MIRROR=synthetic).
    """
    try:
        content = read_file(SAMPLE if sample else WHOLE)
    except NoData as problem:
        calls = make_synthetic_bank_marketing()
        if sample:
            calls = calls.sample(SAMPLE_SIZE, random_state=0, ignore_index=True)
        calls.attrs["source"] = SYNTHETIC
        warning = (
            f"{MADE_UP}: these {len(calls):,} phone calls are made up.\n"
            "Every number that you compute from them differs from the text and from\n"
            "the stored outputs, which are about the real data."
        )
        # There, since Jupyter and the pages set it off by a colour; and before what the
        # cell prints next.
        print(warning, problem, sep="\n", file=sys.stderr, flush=True)
    else:
        calls = pd.read_csv(io.BytesIO(content), sep=";")
        calls.attrs["source"] = "UCI"
        print(f"{len(calls):,} phone calls, from UCI's data set Bank Marketing.")
    return calls


def split_bank_marketing(
    calls: pd.DataFrame, seed: int, test_fraction: float = 0.2
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Give the calls for training, validation and test, each in random order.

    test_fraction of all calls are the test set, as many the validation set, the rest is
    for training. The same seed draws the same calls.
    """
    shuffled = calls.sample(frac=1, random_state=seed)
    size = round(test_fraction * len(calls))
    test, validation = shuffled[:size], shuffled[size : 2 * size]
    return shuffled[2 * size :], validation, test


def encode_bank_marketing(calls: pd.DataFrame) -> pd.DataFrame:
    """Turn calls into numbers: `y` as 0 or 1, the numbers, then a column per category.

    The columns are the same whatever the calls are, and each has the name of what it
    comes from, such as `job_admin.`. `y` may be missing. ValueError tells of a category
    that the data set does not have.
    """
    table = pd.DataFrame(index=calls.index)
    if BANK_TARGET in calls:
        table[BANK_TARGET] = (calls[BANK_TARGET] == "yes").astype(int)
    for column in BANK_NUMBERS:
        table[column] = calls[column]
    table["contacted_before"] = (calls["pdays"] != NOT_CONTACTED).astype(int)
    categories = pd.DataFrame(index=calls.index)
    for column, known in BANK_CATEGORIES.items():
        if unknown := sorted(set(calls[column]) - set(known)):
            raise ValueError(f'The column {column} has no category "{unknown[0]}".')
        categories[column] = pd.Categorical(calls[column], categories=known)
    return table.join(pd.get_dummies(categories, dtype=int))


def upload_bank_marketing(
    course: Course, seed: int, test_fraction: float = 0.2, bucket: str | None = None
) -> dict[str, str]:
    """Load, split and encode the calls, upload three csv files; give their S3 URIs.

    The keys are "train", "validation" and "test". The files are in course.folder, with
    no header and no index: for training and validation `y` comes first, and the test
    file holds the features alone. They go into the course's bucket if none is named.
    """
    parts = split_bank_marketing(load_bank_marketing(), seed, test_fraction)
    train, validation, test = (encode_bank_marketing(part) for part in parts)
    files = {
        "train": train,
        "validation": validation,
        "test": test.drop(columns=BANK_TARGET),
    }
    return upload_tables(course, files, bucket)


def describe_encoding(calls: pd.DataFrame, threshold: float) -> dict[str, object]:
    """Describe what `encode_bank_marketing` does, for a program without pandas.

    "fields" are a customer's, in the order of the columns that come of them, each with
    its "type": a "number" from "minimum" to "maximum", those of the calls; "yes_no",
    which becomes 0 or 1; a "category", which becomes a column for each of its
    "categories". "threshold": the probability from which a customer is called.
    """
    fields: list[dict[str, object]] = []
    for name in BANK_NUMBERS:
        bounds = {"minimum": int(calls[name].min()), "maximum": int(calls[name].max())}
        fields.append({"name": name, "type": "number", **bounds})
    fields.append({"name": "contacted_before", "type": "yes_no"})
    for name, known in BANK_CATEGORIES.items():
        fields.append({"name": name, "type": "category", "categories": list(known)})
    return {"threshold": threshold, "fields": fields}


def columns_of(encoding: dict[str, object]) -> list[str]:
    """Name the columns that an encoding leads to, in their order."""
    names: list[str] = []
    for field in encoding["fields"]:
        own = [f"{field['name']}_{known}" for known in field.get("categories", [])]
        names += own or [field["name"]]
    return names


def customers_of(calls: pd.DataFrame) -> list[dict[str, object]]:
    """Give calls as the web page sends them: a customer's fields and their values."""
    names = [*BANK_NUMBERS, *BANK_CATEGORIES]
    table = calls[names].assign(
        contacted_before=calls["pdays"]
        .ne(NOT_CONTACTED)
        .map({True: "yes", False: "no"})
    )
    return json.loads(table.to_json(orient="records"))
