"""What a row is: a call as somebody at the bank would write it down.

Training and serving import this file, so that they agree on names, order and words.
"""

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field


class Call(BaseModel):
    """One call that the bank thinks of making. A field with another name is refused."""

    model_config = ConfigDict(extra="forbid")

    age: int = Field(ge=0, le=120)
    job: Literal[
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
    ]
    marital: Literal["divorced", "married", "single", "unknown"]
    education: Literal[
        "illiterate",
        "basic.4y",
        "basic.6y",
        "basic.9y",
        "high.school",
        "professional.course",
        "university.degree",
        "unknown",
    ]
    default: Literal["no", "yes", "unknown"]
    housing: Literal["no", "yes", "unknown"]
    loan: Literal["no", "yes", "unknown"]
    contact: Literal["cellular", "telephone"]
    month: Literal[
        "jan",
        "feb",
        "mar",
        "apr",
        "may",
        "jun",
        "jul",
        "aug",
        "sep",
        "oct",
        "nov",
        "dec",
    ]
    day_of_week: Literal["mon", "tue", "wed", "thu", "fri"]
    campaign: int = Field(ge=1)
    pdays: int = Field(ge=0)
    previous: int = Field(ge=0)
    poutcome: Literal["nonexistent", "failure", "success"]


COLUMNS = list(Call.model_fields)
NUMBERS = [name for name in COLUMNS if Call.model_fields[name].annotation is int]
CATEGORIES = {
    name: list(get_args(Call.model_fields[name].annotation))
    for name in COLUMNS
    if name not in NUMBERS
}
TARGET = "y"
