"""The one style of the course's figures, and the figures that several lessons draw.

Each figure says in words what it shows, in its `alt`. Jupyter stores that text with the
picture, for those who can't see it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

# From Okabe and Ito's palette, which people with any colour vision tell apart.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#555555"
# Of models side by side: today's, the new one, any other.
MODELS = (BLUE, GREEN, ORANGE)

STYLE = {
    # So wide that the smallest text has ten pixels on a phone, 380 pixels wide.
    "figure.figsize": (5.6, 4.2),
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
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "axes.axisbelow": True,
    "legend.frameon": False,
}
PRICE_UNIT = "thousand dollars, about 1970"


class DescribedFigure(Figure):
    """A figure that also says what it shows."""

    alt = ""

    def __repr__(self) -> str:
        """Return the text: what is left of a figure where only text is shown."""
        return self.alt or super().__repr__()

    def _repr_mimebundle_(self, **_: object) -> tuple[dict, dict]:
        """Give Jupyter what belongs to the picture; the picture is matplotlib's."""
        return {}, {"image/png": {"alt": self.alt}}


def subplots(rows: int = 1, columns: int = 1, **options: Any) -> tuple:
    """Do what `plt.subplots` does, and return a figure that can say what it shows."""
    return plt.subplots(rows, columns, FigureClass=DescribedFigure, **options)


def predicted_against_actual(
    actual: Sequence[float], predicted: Sequence[float], rmse: float
) -> DescribedFigure:
    """Draw one point per house price: actual to the right, predicted upwards.

    actual, predicted: n values each, in thousands of dollars; rmse in the same unit.
    """
    with plt.rc_context(STYLE):
        figure, axes = subplots(figsize=(5.6, 5.6))
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
    off = np.median(np.abs(np.subtract(predicted, actual)))
    figure.alt = (
        f"Scatter plot of predicted against actual prices for {len(actual)} tracts of "
        f"the test set, with a dashed line where both are equal; half of the points "
        f"are off by {off:.1f} thousand dollars or less"
    )
    return figure


def target_values(values: Sequence[float], cap: float = 50) -> DescribedFigure:
    """Draw how often which target values occur, with those at the cap set apart.

    values: median home values, in thousands of dollars. cap: the highest value that the
    data can hold.
    """
    below = [value for value in values if value < cap]
    capped = len(values) - len(below)
    bins = range(0, int(cap) + 3, 2)
    with plt.rc_context(STYLE):
        figure, axes = subplots(figsize=(5.6, 3.6))
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
    low, high = np.quantile(values, [0.25, 0.75])
    figure.alt = (
        f"Histogram of the median home value of {len(values)} tracts: half of them "
        f"lie between {low:.0f} and {high:.0f} thousand dollars; the {capped} tracts "
        f"at {cap:g}, the highest value recorded, are a bar of their own"
    )
    return figure


def error_by_round(
    train: Sequence[float], validation: Sequence[float], stopped_after: int
) -> DescribedFigure:
    """Draw the error after each boosting round, and where another job stopped early.

    train, validation: RMSE per round of the job that ran all rounds, from round 0, in
    thousands of dollars. stopped_after: how many rounds the same job ran with early
    stopping.
    """
    best = min(range(stopped_after), key=lambda i: validation[i])
    with plt.rc_context(STYLE):
        figure, axes = subplots()
        axes.plot(train, color=BLUE, label="train")
        axes.plot(validation, color=ORANGE, label="validation", linestyle="-.")
        axes.axvline(
            stopped_after - 1,
            color=GREY,
            linestyle="--",
            linewidth=1.2,
            label=f"early stopping: ended after {stopped_after} rounds",
        )
        axes.plot(
            best,
            validation[best],
            "o",
            color=ORANGE,
            label=f"early stopping: saved the model of round {best}",
        )
        axes.set(
            ylim=(0, None),
            xlabel="Boosting round",
            ylabel=f"RMSE ({PRICE_UNIT})",
            title=f"Error after each of {len(train)} rounds",
        )
        axes.legend()
        plt.close(figure)
    figure.alt = (
        f"Line plot of the RMSE after each of {len(train)} boosting rounds, from the "
        f"first to the last: {train[0]:.2f} and {train[len(train) - 1]:.2f} on the "
        f"train set, {validation[0]:.2f} and {validation[len(train) - 1]:.2f} on the "
        f"validation set; early stopping ended after {stopped_after} rounds and saved "
        f"the model of round {best}"
    )
    return figure


def latency(milliseconds: Mapping[int, Sequence[float]]) -> DescribedFigure:
    """Draw how long requests took: one dot each, and a bar at the median.

    milliseconds: for each number of rows in a request, the times of those requests.
    """
    with plt.rc_context(STYLE):
        figure, axes = subplots(figsize=(5.6, 3.6))
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
    figure.alt = (
        "Plot of the time that requests took, in milliseconds, a column each for "
        f"requests of {_listed(milliseconds)} rows: a dot for each request and a bar "
        "at their median"
    )
    return figure


def calls_and_bytes(
    rows: Sequence[int], calls: Sequence[int], kilobytes: Sequence[float]
) -> DescribedFigure:
    """Draw two panels over the rows per request: requests needed, and their size.

    rows, calls, kilobytes: n values each; kilobytes is the body of one request.
    """
    with plt.rc_context(STYLE):
        figure, (upper, lower) = subplots(2, figsize=(5.6, 5.4), sharex=True)
        upper.plot(rows, calls, "o-", color=BLUE)
        lower.plot(rows, kilobytes, "o-", color=ORANGE)
        upper.set(ylim=(0, None), ylabel="Requests", title="Fewer requests ...")
        lower.set(ylim=(0, None), ylabel="Body (kB)", title="... and larger bodies")
        lower.set_xlabel("Rows per request")
        plt.close(figure)
    figure.alt = (
        f"Two line plots over the rows per request, from {rows[0]} to {rows[-1]}: the "
        f"number of requests goes from {calls[0]} to {calls[-1]}, the size of one from "
        f"{kilobytes[0]:.1f} to {kilobytes[-1]:.1f} kB"
    )
    return figure


def errors_by_price(
    actual: Sequence[float], errors: pd.DataFrame, cap: float
) -> DescribedFigure:
    """Draw each model's errors against the actual price, a panel per model.

    errors: a column per model, predicted minus actual, a row for each value of actual,
    all in thousands of dollars. A dotted line marks the cap, the highest price that the
    data records.
    """
    with plt.rc_context(STYLE):
        models = errors.shape[1]
        figure, panels = subplots(
            models, figsize=(5.6, 3.2 * models), sharex=True, sharey=True
        )
        for axes, model, colour in zip(panels, errors, MODELS, strict=False):
            mean = errors[model].abs().mean()
            axes.axhline(0, color=GREY, linestyle="--", linewidth=1.2)
            axes.axvline(cap, color=GREY, linestyle=":", linewidth=1.4)
            axes.scatter(
                actual, errors[model], s=24, color=colour, alpha=0.65, linewidths=0
            )
            axes.set(
                title=f"{model}: mean absolute error {mean:.2f}",
                ylabel="Predicted minus actual\n(thousand dollars)",
            )
        panels[-1].set_xlabel("Actual median value (thousand dollars)")
        top = panels[0].get_ylim()[1]
        panels[0].text(cap, top, f"cap at {cap:g} ", ha="right", va="top")
        plt.close(figure)
    means = [f"{errors[model].abs().mean():.2f} for {model}" for model in errors]
    figure.alt = (
        "Scatter plots of the error, predicted minus actual, over the actual price, a "
        f"panel for each model; the mean absolute error is {_listed(means)}; a dotted "
        f"line marks the cap at {cap:g}"
    )
    return figure


def shares_over_calls(
    stages: Mapping[str, Sequence[str]], per: int = 20
) -> DescribedFigure:
    """Draw which share of each `per` calls in a row each variant answered.

    stages: for each stage, by its name, the variants that answered its calls, in order.
    A dotted line is where a stage begins, and the groups begin anew there.
    """
    variants = sorted({name for answered in stages.values() for name in answered})
    with plt.rc_context(STYLE):
        figure, axes = subplots(figsize=(5.6, 4.2))
        begin = 0
        for place, (stage, answered) in enumerate(stages.items()):
            answered = list(answered)
            starts = range(0, len(answered) - per + 1, per)
            middles = [begin + start + per / 2 for start in starts]
            for name, colour, line in zip(
                variants, MODELS, ("--", "-", "-."), strict=False
            ):
                groups = (answered[start : start + per] for start in starts)
                shares = [100 * group.count(name) / per for group in groups]
                label = name if begin == 0 else None
                axes.plot(middles, shares, line, color=colour, marker=".", label=label)
            axes.axvline(begin, color=GREY, linestyle=":", linewidth=1.4)
            # In two rows: a name may be longer than its stage.
            height = 104 + 7 * (place % 2)
            axes.text(begin + 2, height, stage, color=GREY, va="bottom")
            begin += len(answered)
        axes.set(
            ylim=(-4, 104),
            xlabel="Call number",
            ylabel=f"Share of {per} calls (%)",
        )
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
        plt.close(figure)
    parts = [f"{name} ({_listed(sorted(set(who)))})" for name, who in stages.items()]
    figure.alt = (
        f"Line plot of the share of {per} calls in a row that each variant answered, "
        f"through the stages, with who answers in them: {', '.join(parts)}"
    )
    return figure


def reply_times(times: pd.DataFrame) -> DescribedFigure:
    """Draw two bars per variant: the average and the slowest reply, in milliseconds.

    times: a row per variant, with the columns "average (ms)" and "slowest (ms)".
    """
    with plt.rc_context(STYLE):
        figure, axes = subplots(figsize=(5.6, 2.6))
        labels = []
        for place, (variant, colour) in enumerate(
            zip(times.index, MODELS, strict=False)
        ):
            for shift, column, pale in ((0, "average", 1), (1, "slowest", 0.35)):
                length = times.loc[variant, f"{column} (ms)"]
                bar = axes.barh(2.5 * place + shift, length, color=colour, alpha=pale)
                axes.bar_label(bar, fmt="%.0f", padding=3)
                labels.append((2.5 * place + shift, f"{variant}, {column}"))
        axes.set_yticks([y for y, _ in labels], labels=[text for _, text in labels])
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.grid(axis="y", visible=False)
        axes.set(xlabel="Time of a reply (milliseconds)")
        plt.close(figure)
    figure.alt = (
        "Bar chart of the average and the slowest time of a reply, in milliseconds, "
        f"of {_listed(times.index)}"
    )
    return figure


def _listed(items: Iterable[object]) -> str:
    """Join items as a sentence does: 1, 50 and 167."""
    *others, last = [str(item) for item in items]
    return f"{', '.join(others)} and {last}" if others else last
