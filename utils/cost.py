"""What instance time and storage cost on AWS, from a dated table: prices.json."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# The price list's word for a use, and the word of the lessons.
USED_FOR = {
    "notebook": "notebook instance",
    "training": "training job",
    "transform": "batch transform job",
    "hosting": "endpoint",
}

GIGABYTE = 2**30
DAYS_OF_A_MONTH = 30


@dataclass(frozen=True)
class Price:
    """One row of prices.json. component: what the instance is used for."""

    type: str
    component: str
    usd_per_hour: float
    source: str
    read_on: str


@dataclass(frozen=True)
class SpotSaving:
    """The row of prices.json on spot capacity, which has no list price.

    saving: the share of the price on demand; it differs by hour, Region and instance.
    """

    component: str
    saving: float
    source: str
    read_on: str


def load_prices() -> list[Price]:
    """Read the price table: us-east-1, on demand, USD per instance and hour."""
    return [Price(**row) for row in _rows() if "usd_per_hour" in row]


def load_spot_saving() -> SpotSaving:
    """Read what spot capacity saved in one documented case."""
    (row,) = (row for row in _rows() if "saving" in row)
    return SpotSaving(**row)


def storage_usd_per_day(component: str, size: int) -> float:
    """Say what it costs per day to store so many bytes.

    component: "objects" in S3, "logs" or "notebook disks".
    """
    (row,) = (
        row
        for row in _rows()
        if "usd_per_gb_month" in row and row["component"] == component
    )
    return size / GIGABYTE * row["usd_per_gb_month"] / DAYS_OF_A_MONTH


def _rows() -> list[dict]:
    return json.loads(Path(__file__).with_name("prices.json").read_text())


def price_of(instance_type: str, component: str) -> Price:
    """Look one price up. LookupError if the table does not have it."""
    for price in load_prices():
        if (price.type, price.component) == (instance_type, component):
            return price
    raise LookupError(f"The price table has no {instance_type} for {component}")


def show_prices() -> None:
    """Print the table: what one instance costs for an hour, and when it was read."""
    print(f"{'instance type':15}{'used for':21}USD per hour     read on")
    for price in load_prices():
        use = USED_FOR.get(price.component, price.component)
        print(f"{price.type:15}{use:21}{price.usd_per_hour:12.3f}  {price.read_on}")
    print("(us-east-1; check the AWS price page)")


def show_cost(
    used: Iterable[tuple[str, str, float]], *, with_spot: bool = False
) -> None:
    """Print what the used time costs on AWS, in USD rounded up to a cent.

    used: (instance type, component, billed seconds), the seconds already multiplied
    by the number of instances. AWS bills by the second. If a price is missing, print
    that and no amount. with_spot: print as well what it may cost if the training jobs
    run on spot capacity.
    """
    total, training, read_on = 0.0, 0.0, []
    for instance_type, component, seconds in used:
        try:
            price = price_of(instance_type, component)
        except LookupError as error:
            print(f"{error}; check the AWS price page.")
            return
        usd = seconds * price.usd_per_hour / 3600
        total += usd
        training += usd if component == "training" else 0
        read_on.append(price.read_on)
    dollars = math.ceil(total * 100) / 100
    print(f"Instance time at AWS's prices: at most {dollars:.2f} USD")
    if with_spot:
        spot = load_spot_saving()
        usd = math.ceil((total - training * spot.saving) * 100) / 100
        print(f"With training on spot capacity: {usd:.2f} USD, if it saves", end=" ")
        print(f"{spot.saving:.0%}")
        print(f"({spot.source}, {spot.read_on}; yours will differ)")
    print(f"(us-east-1, as of {min(read_on)}; check the AWS price page)")
