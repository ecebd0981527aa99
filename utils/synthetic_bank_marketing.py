"""Made-up phone calls, for where the bank-marketing data can't be had.

`make_synthetic_bank_marketing` draws a table with the columns, categories and ranges of
the real one. What the data set's publishers count is taken from them: how many calls
each month had, how many of them were sales, how often each category occurs, and the
economic figures of the month. Who was called, and who bought, is drawn at random:

- age depends on the job; marital status on age; education on the job; an unknown
  `default` on education and age; talking time on whether it was a sale;
- within each month, those are likelier to buy whom an earlier campaign has won, who are
  called on a mobile phone, students, the retired, the very young and the old;
  less likely those called many times.

So the table has the same lessons in it: a rare class, a column that knows the answer,
months that differ, weak hints at who buys. It says nothing about people or banks. The
same seed makes the same table. Credit for the counts: S. Moro, P. Cortez and P. Rita,
as data/bank_marketing.md cites them.
"""

import numpy as np
import pandas as pd

COLUMNS = (
    *("age", "job", "marital", "education", "default", "housing", "loan"),
    *("contact", "month", "day_of_week", "duration"),
    *("campaign", "pdays", "previous", "poutcome"),
    *("emp.var.rate", "cons.price.idx", "cons.conf.idx", "euribor3m", "nr.employed"),
    "y",
)
# The 26 months with calls, from May 2008 to November 2010: calls, sales, calls to a
# fixed line, people called in an earlier campaign, people who bought then. Behind them:
# emp.var.rate, cons.price.idx, cons.conf.idx, euribor3m at the month's first and last
# call, nr.employed.
MONTHS = (
    ("may", 7763, 240, 7763, 0, 0, 1.1, 93.994, -36.4, 4.857, 4.864, 5191.0),
    ("jun", 4374, 188, 4374, 0, 0, 1.4, 94.465, -41.8, 4.865, 4.947, 5228.1),
    ("jul", 6685, 407, 989, 0, 0, 1.4, 93.918, -42.7, 4.955, 4.968, 5228.1),
    ("aug", 5175, 271, 147, 0, 0, 1.4, 93.444, -36.1, 4.970, 4.963, 5228.1),
    ("oct", 67, 42, 66, 2, 0, -0.1, 93.798, -40.4, 5.045, 4.760, 5195.8),
    ("nov", 3616, 190, 367, 731, 35, -0.1, 93.200, -42.0, 4.733, 3.853, 5195.8),
    ("dec", 10, 1, 8, 1, 0, -0.2, 92.756, -45.9, 3.816, 3.053, 5176.3),
    ("mar", 282, 126, 20, 22, 3, -1.8, 92.843, -50.0, 1.811, 1.510, 5099.1),
    ("apr", 2458, 442, 164, 666, 64, -1.8, 93.075, -47.1, 1.498, 1.365, 5099.1),
    ("may", 5794, 524, 447, 1873, 154, -1.8, 92.893, -46.2, 1.354, 1.270, 5099.1),
    ("jun", 715, 264, 61, 191, 69, -2.9, 92.963, -40.8, 1.266, 1.099, 5076.2),
    ("jul", 178, 66, 25, 42, 11, -2.9, 92.469, -33.6, 1.085, 0.899, 5076.2),
    ("aug", 770, 264, 68, 322, 133, -2.9, 92.201, -31.4, 0.884, 0.821, 5076.2),
    ("sep", 267, 106, 29, 108, 53, -3.4, 92.379, -29.8, 0.819, 0.753, 5017.5),
    ("oct", 447, 180, 57, 173, 67, -3.4, 92.431, -26.9, 0.754, 0.720, 5017.5),
    ("nov", 357, 168, 46, 196, 91, -3.4, 92.649, -30.1, 0.722, 0.719, 5017.5),
    ("dec", 172, 88, 25, 83, 45, -3.0, 92.713, -33.0, 0.721, 0.700, 5023.5),
    ("mar", 264, 150, 40, 157, 78, -1.8, 93.369, -34.8, 0.655, 0.634, 5008.7),
    ("apr", 174, 97, 23, 92, 47, -1.8, 93.749, -34.6, 0.635, 0.663, 5008.7),
    ("may", 212, 122, 41, 136, 76, -1.8, 93.876, -40.0, 0.668, 0.701, 5008.7),
    ("jun", 229, 107, 63, 124, 75, -1.7, 94.055, -39.8, 0.702, 0.767, 4991.6),
    ("jul", 311, 176, 64, 186, 97, -1.7, 94.215, -40.3, 0.782, 0.896, 4991.6),
    ("aug", 233, 120, 54, 137, 72, -1.7, 94.027, -38.3, 0.898, 0.886, 4991.6),
    ("sep", 303, 150, 59, 177, 95, -1.1, 94.199, -37.5, 0.886, 0.886, 4963.6),
    ("oct", 204, 93, 32, 129, 69, -1.1, 94.601, -49.5, 0.942, 1.045, 4963.6),
    ("nov", 128, 58, 12, 77, 39, -1.1, 94.767, -50.8, 1.047, 1.028, 4963.6),
)
ECONOMY = {
    "emp.var.rate": 6,
    "cons.price.idx": 7,
    "cons.conf.idx": 8,
    "nr.employed": 11,
}
CALLS = sum(month[1] for month in MONTHS)
# How many calls; the mean age and its spread; years at school, roughly; how much they
# lean towards buying, in logits.
JOBS = {
    "admin.": (10422, 38, 9, 14, 0.1),
    "blue-collar": (9254, 40, 9, 7, -0.2),
    "technician": (6743, 38, 9, 13, 0.0),
    "services": (3969, 38, 9, 11, -0.1),
    "management": (2924, 42, 9, 15, 0.0),
    "retired": (1720, 62, 10, 8, 0.4),
    "entrepreneur": (1456, 42, 9, 13, -0.1),
    "self-employed": (1421, 40, 9, 14, 0.0),
    "housemaid": (1060, 46, 11, 7, 0.0),
    "unemployed": (1014, 40, 9, 11, 0.2),
    "student": (875, 26, 5, 12, 0.6),
    "unknown": (330, 46, 11, 10, 0.0),
}
AGES = (17, 98)
# From the least schooling to the most.
EDUCATION = {
    "illiterate": 18,
    "basic.4y": 4176,
    "basic.6y": 2292,
    "basic.9y": 6045,
    "high.school": 9515,
    "professional.course": 5243,
    "university.degree": 12168,
}
SINGLE, DIVORCED, NO_STATUS_KNOWN = 11568, 4612, 80
DEFAULT_UNKNOWN, DEFAULT_YES = 8597, 3
HOUSING_YES, LOAN_YES, NO_LOANS_KNOWN = 21576, 6248, 990
CAMPAIGN = {1: 17642, 2: 10570, 3: 5341, 4: 2651, 5: 1599, 6: 979, 7: 629, 8: 400}
MOST_CALLS = 56
PREVIOUS = {1: 4561, 2: 754, 3: 216, 4: 70, 5: 18, 6: 5, 7: 1}
WEEKDAYS = {"mon": 8514, "tue": 8090, "wed": 8134, "thu": 8623, "fri": 7827}
LONGEST_CALL = 4918  # seconds
NOT_CONTACTED = 999  # the `pdays` of who was never called in an earlier campaign
FAILURES_WITH_DAYS = 142 / 4252  # of those not won earlier: is it known how long ago?


def make_synthetic_bank_marketing(seed: int = 2014) -> pd.DataFrame:
    """Draw 41,188 made-up calls, in the order of their dates."""
    draw = np.random.default_rng(seed)
    calls = pd.DataFrame(_customers(draw) | _dates(draw) | _contacts(draw))
    calls["y"] = _sales(draw, calls)
    calls["duration"] = _durations(draw, (calls["y"] == "yes").to_numpy())
    return calls[list(COLUMNS)]


def _customers(draw: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw who is called."""
    job = _shuffled(draw, {name: row[0] for name, row in JOBS.items()})
    mean, spread, years = (_of_the_job(job, column) for column in (1, 2, 3))
    age = np.clip(np.rint(draw.normal(mean, spread)), *AGES).astype(int)

    marital = np.full(CALLS, "unknown", object)
    known = _some(draw, CALLS, CALLS - NO_STATUS_KNOWN)
    others = {"single": SINGLE, "married": len(known) - SINGLE}
    marital[known] = _by_rank(age[known] + draw.normal(0, 8, len(known)), others)
    married = np.flatnonzero(marital == "married")
    marital[married[_some(draw, len(married), DIVORCED)]] = "divorced"

    education = np.full(CALLS, "unknown", object)
    known = _some(draw, CALLS, sum(EDUCATION.values()))
    school = years[known] + draw.normal(0, 2, len(known))
    education[known] = _by_rank(school, EDUCATION)

    hesitation = 0.05 * age - 0.1 * years + draw.normal(0, 1, CALLS)
    default = _by_rank(
        hesitation,
        {"no": CALLS - DEFAULT_UNKNOWN - DEFAULT_YES}
        | {"yes": DEFAULT_YES, "unknown": DEFAULT_UNKNOWN},
    )
    loans = {}
    known = _some(draw, CALLS, CALLS - NO_LOANS_KNOWN)  # of both kinds, or of none
    for kind, yes in (("housing", HOUSING_YES), ("loan", LOAN_YES)):
        loans[kind] = np.full(CALLS, "unknown", object)
        loans[kind][known] = _shuffled(draw, {"yes": yes, "no": len(known) - yes})
    who = {"age": age, "job": job, "marital": marital, "education": education}
    return who | {"default": default} | loans


def _dates(draw: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw the days of the calls, and give the economic figures of these days."""
    sizes = [month[1] for month in MONTHS]
    weekdays = np.array(list(WEEKDAYS), object)
    shares = np.array(list(WEEKDAYS.values())) / CALLS
    day_of_week, rate = [], []
    for month in MONTHS:
        calls, first, last = month[1], month[9], month[10]
        weeks = np.sort(draw.integers(0, 4, calls))
        days = draw.choice(5, calls, p=shares)
        days = days[np.lexsort((days, weeks))]
        day_of_week.append(weekdays[days])
        through = (5 * weeks + days) / 19
        rate.append(np.round(first + (last - first) * through, 3))
    figures = {
        name: np.repeat([month[column] for month in MONTHS], sizes)
        for name, column in ECONOMY.items()
    }
    months = np.array([month[0] for month in MONTHS], object)
    return {
        "month": np.repeat(months, sizes),
        "day_of_week": np.concatenate(day_of_week),
        **figures,
        "euribor3m": np.concatenate(rate),
    }


def _contacts(draw: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw how they are called, how often, and what there was before."""
    contact, poutcome = [], []
    for _, calls, _, telephone, earlier, won, *_ in MONTHS:
        lines = {"telephone": telephone, "cellular": calls - telephone}
        contact.append(_shuffled(draw, lines))
        outcomes = {"nonexistent": calls - earlier, "failure": earlier - won}
        poutcome.append(_shuffled(draw, outcomes | {"success": won}))
    outcome = np.concatenate(poutcome)

    previous = np.zeros(CALLS, int)
    previous[outcome != "nonexistent"] = _shuffled(draw, PREVIOUS)
    # How many days ago is known of those who bought then, and of few others.
    has_days = outcome == "success"
    has_days |= (outcome == "failure") & (draw.random(CALLS) < FAILURES_WITH_DAYS)
    days = np.clip(draw.poisson(draw.choice([3, 6, 10], CALLS)), 0, 27)

    many = CALLS - sum(CAMPAIGN.values())
    calls_so_far = np.concatenate(
        [
            np.repeat(list(CAMPAIGN), list(CAMPAIGN.values())),
            1 + max(CAMPAIGN) + draw.exponential(5, many).astype(int),
        ]
    )
    return {
        "contact": np.concatenate(contact),
        "campaign": draw.permutation(np.minimum(calls_so_far, MOST_CALLS)),
        "pdays": np.where(has_days, days, NOT_CONTACTED),
        "previous": previous,
        "poutcome": outcome,
    }


def _sales(draw: np.random.Generator, calls: pd.DataFrame) -> np.ndarray:
    """Draw who buys: in each month as many as the month's sales."""
    leaning = (
        _of_the_job(calls["job"], 4)
        + 1.8 * (calls["poutcome"] == "success")
        - 0.6 * (calls["contact"] == "telephone")
        - 0.3 * (calls["default"] == "unknown")
        + 0.1 * (calls["education"] == "university.degree")
        + 0.1 * (calls["marital"] == "single")
        - 0.15 * (calls["day_of_week"] == "mon")
        - 0.06 * np.minimum(calls["campaign"] - 1, 15)
        + 0.9 * (calls["age"] > 60)
        + 0.4 * (calls["age"] < 25)
    )
    score = leaning.to_numpy() + draw.logistic(0, 1, CALLS)
    bought = []
    begin = 0
    for _, size, sales, *_ in MONTHS:
        counts = {"no": size - sales, "yes": sales}
        bought.append(_by_rank(score[begin : begin + size], counts))
        begin += size
    return np.concatenate(bought)


def _durations(draw: np.random.Generator, is_sale: np.ndarray) -> np.ndarray:
    """Draw how many seconds they talked: nobody buys without a word."""
    seconds = np.where(
        is_sale,
        np.maximum(draw.lognormal(np.log(449), 0.7, CALLS), 37),
        draw.lognormal(np.log(163), 0.85, CALLS),
    )
    return np.minimum(seconds, LONGEST_CALL).astype(int)


# --- drawing with exact counts --------------------------------------------------------


def _some(draw: np.random.Generator, of: int, number: int) -> np.ndarray:
    """Choose positions below `of`, in order."""
    return np.sort(draw.choice(of, number, replace=False))


def _shuffled(draw: np.random.Generator, counts: dict) -> np.ndarray:
    """Repeat each name as often as its count says, in random order."""
    return draw.permutation(_repeated(counts))


def _by_rank(score: np.ndarray, counts: dict) -> np.ndarray:
    """Give the first name to those with the lowest scores, and so on."""
    names = np.empty(len(score), object)
    names[np.argsort(score, kind="stable")] = _repeated(counts)
    return names


def _repeated(counts: dict) -> np.ndarray:
    values = np.array(list(counts))
    if values.dtype.kind == "U":
        values = values.astype(object)
    return np.repeat(values, list(counts.values()))


def _of_the_job(job: np.ndarray | pd.Series, column: int) -> np.ndarray:
    """Look up a column of JOBS."""
    return pd.Series(job).map({name: row[column] for name, row in JOBS.items()}).values
