"""The one style of the course's figures, and the figures that several lessons draw."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

# From Okabe and Ito's palette, which people with any colour vision tell apart.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#555555"

STYLE = {
    "figure.figsize": (6.4, 4.8),
    "figure.dpi": 110,
    # White whatever the theme: a figure reads the same on a dark page.
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "text.color": "black",
    "axes.labelcolor": "black",
    "axes.edgecolor": "black",
    "xtick.color": "black",
    "ytick.color": "black",
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "axes.axisbelow": True,
    "legend.frameon": False,
}
PRICE_UNIT = "thousand dollars, about 1970"


def predicted_against_actual(
    actual: Sequence[float], predicted: Sequence[float], rmse: float
) -> Figure:
    """Draw one point per house price: actual to the right, predicted upwards.

    actual, predicted: n values each, in thousands of dollars; rmse in the same unit.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.6, 5.6))
        top = 1.05 * max(*actual, *predicted)
        line = {"color": GREY, "linestyle": "--", "linewidth": 1.2}
        axes.plot([0, top], [0, top], label="predicted = actual", **line)
        axes.scatter(actual, predicted, s=26, color=BLUE, alpha=0.65, linewidths=0)
        axes.set(
            xlim=(0, top),
            ylim=(0, top),
            aspect="equal",
            xlabel=f"Actual median value ({PRICE_UNIT})",
            ylabel=f"Predicted median value ({PRICE_UNIT})",
            title=f"Boston test set: {len(actual)} tracts, RMSE {rmse:.2f}",
        )
        axes.legend(loc="upper left")
        plt.close(figure)
    return figure


def target_values(values: Sequence[float], cap: float = 50) -> Figure:
    """Draw how often which target values occur, with those at the cap set apart.

    values: median home values, in thousands of dollars. cap: the highest value that the
    data can hold.
    """
    below = [value for value in values if value < cap]
    capped = len(values) - len(below)
    bins = range(0, int(cap) + 3, 2)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.4, 3.8))
        axes.hist(below, bins=bins, color=BLUE, alpha=0.75)
        axes.hist([cap] * capped, bins=bins, color=ORANGE)
        axes.annotate(
            f"{capped} tracts at {cap:g}:\n{cap:g} or more",
            (cap + 1, capped),
            xytext=(0, 8),
            textcoords="offset points",
            ha="right",
            color=ORANGE,
        )
        axes.set(
            xlabel=f"Median value ({PRICE_UNIT})",
            ylabel="Number of tracts",
            title=f"The target: {len(values)} tracts",
        )
        plt.close(figure)
    return figure


def error_by_round(
    train: Sequence[float], validation: Sequence[float], stopped_after: int
) -> Figure:
    """Draw the error after each boosting round, and where early stopping ended.

    train, validation: RMSE per round, from round 0, in thousands of dollars.
    stopped_after: how many rounds the job with early stopping ran.
    """
    best = min(range(stopped_after), key=lambda i: validation[i])
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots()
        axes.plot(train, color=BLUE, label="train")
        axes.plot(validation, color=ORANGE, label="validation", linestyle="-.")
        axes.axvline(
            stopped_after - 1,
            color=GREY,
            linestyle="--",
            linewidth=1.2,
            label=f"stopped after {stopped_after} rounds",
        )
        axes.plot(
            best,
            validation[best],
            "o",
            color=ORANGE,
            label=f"round {best}: this model is kept",
        )
        axes.set(
            ylim=(0, None),
            xlabel="Boosting round",
            ylabel=f"RMSE ({PRICE_UNIT})",
            title=f"Error after each of {len(train)} rounds",
        )
        axes.legend()
        plt.close(figure)
    return figure


def latency(milliseconds: Mapping[int, Sequence[float]]) -> Figure:
    """Draw how long requests took: one dot each, and a bar at the median.

    milliseconds: for each number of rows in a request, the times of those requests.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.4, 3.6))
        for place, times in enumerate(milliseconds.values()):
            spread = [place + 0.3 * (i / len(times) - 0.5) for i in range(len(times))]
            axes.scatter(spread, times, s=22, color=BLUE, alpha=0.65, linewidths=0)
            middle = sorted(times)[len(times) // 2]
            axes.hlines(middle, place - 0.3, place + 0.3, color=ORANGE, linewidth=2)
        axes.set(
            ylim=(0, None),
            xlabel="Rows in the request",
            ylabel="Time of the request (ms)",
            title="Each dot is one request, the bar their median",
        )
        axes.set_xticks(range(len(milliseconds)), labels=[str(n) for n in milliseconds])
        plt.close(figure)
    return figure


def calls_and_bytes(
    rows: Sequence[int], calls: Sequence[int], kilobytes: Sequence[float]
) -> Figure:
    """Draw two panels over the rows per request: requests needed, and their size.

    rows, calls, kilobytes: n values each; kilobytes is the body of one request.
    """
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.6))
        left.plot(rows, calls, "o-", color=BLUE)
        right.plot(rows, kilobytes, "o-", color=ORANGE)
        left.set(ylim=(0, None), ylabel="Requests", title="Fewer requests ...")
        right.set(ylim=(0, None), ylabel="Body (kB)", title="... and larger bodies")
        for axes in (left, right):
            axes.set_xlabel("Rows per request")
        plt.close(figure)
    return figure


def histogram(
    values: Sequence[float],
    interval: tuple[float, float] | None = None,
    *,
    what: str,
    counted: str,
    title: str,
) -> Figure:
    """Draw how often which values occur, with lines at 0 and at their mean.

    values: n numbers. interval: shaded, if there is one, as the 95 % interval. what,
    counted: what a value is, with its unit, and what is counted.
    """
    mean = sum(values) / len(values)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.4, 3.8))
        if interval is not None:
            axes.axvspan(*interval, color=ORANGE, alpha=0.18, label="95 % interval")
        axes.hist(values, bins=40, color=BLUE, alpha=0.75)
        axes.axvline(0, color=GREY, linestyle="--", linewidth=1.4, label="0")
        axes.axvline(mean, color=ORANGE, linewidth=1.8, label=f"mean: {mean:.2f}")
        axes.set(xlabel=what, ylabel=counted, title=title)
        axes.legend(frameon=True, edgecolor="none", framealpha=0.9)
        plt.close(figure)
    return figure
