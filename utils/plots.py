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
from matplotlib.ticker import LogLocator

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


def metric_by_round(
    rounds: Sequence[int], curves: Mapping[str, Sequence[float]], metric: str
) -> DescribedFigure:
    """Draw a metric over the rounds of a training, a line for each part of the data.

    curves: by the part's name, a value for each of `rounds`. The lowest value of the
    last one, by which a round is chosen, is marked.
    """
    last, chosen = list(curves.items())[-1]
    best = int(np.argmin(chosen))
    with plt.rc_context(STYLE):
        figure, axes = subplots()
        for (name, values), colour, style in zip(
            curves.items(), (BLUE, ORANGE), ("-", "-."), strict=True
        ):
            axes.plot(rounds, values, style, color=colour, marker=".", label=name)
        label = f"lowest on {last}: round {rounds[best]}"
        axes.plot(rounds[best], chosen[best], "o", color=ORANGE, label=label)
        axes.set(
            xlabel="Boosting round",
            ylabel=metric,
            title=f"{metric} after every {rounds[0]} rounds",
        )
        axes.legend()
        plt.close(figure)
    ends = [f"{v[0]:.4f} and {v[-1]:.4f} on {name}" for name, v in curves.items()]
    figure.alt = (
        f"Line plot of the {metric} after {rounds[0]} to {rounds[-1]} boosting rounds, "
        f"at the first and the last: {_listed(ends)}; the lowest on {last} is "
        f"{chosen[best]:.4f}, after {rounds[best]} rounds"
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


def interval_by_customers(
    half_widths: Mapping[str, pd.Series], needed: Mapping[str, int], matters: float
) -> DescribedFigure:
    """Draw how far a 95 % interval goes to either side, over the number of customers.

    half_widths: for each design, by its name, the half-width in USD, indexed by the
    number of customers. needed: for each the number that finds a difference that
    matters (in USD, a dashed line) in 80 % of the tests.
    """
    with plt.rc_context(STYLE):
        figure, axes = subplots(figsize=(5.6, 3.8))
        axes.axhline(matters, color=GREY, linestyle="--", linewidth=1.2)
        for (name, widths), colour, line in zip(
            half_widths.items(), MODELS, ("-", "-."), strict=False
        ):
            count = needed[name]
            height = np.interp(count, widths.index, widths)
            axes.plot(widths.index, widths, line, color=colour, label=name)
            axes.plot(count, height, "o", color=colour)
            axes.annotate(
                f"{count:,}",
                (count, height),
                xytext=(0, 7),
                textcoords="offset points",
                ha="center",
                color=colour,
            )
        right = widths.index[-1]
        axes.text(right, matters, "matters", ha="right", va="bottom", color=GREY)
        axes.set(
            xlim=(0, right),
            ylim=(0, 3 * matters),
            xlabel="Number of customers, both groups together",
            ylabel="95 % interval:\nso far to either side (USD)",
        )
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.legend()
        plt.close(figure)
    counts = [f"{needed[name]:,} customers for {name}" for name in half_widths]
    figure.alt = (
        "Line plot of the half-width of the 95 % interval over the number of "
        f"customers; a difference of {matters:.2f} USD, a dashed line, is found in "
        f"80 % of the tests with {_listed(counts)}"
    )
    return figure


def reassignments(
    tests: Mapping[str, pd.DataFrame], difference: float, yours: float
) -> DescribedFigure:
    """Draw what tests find, a panel for each design; those that find nothing in grey.

    tests: for each design, by its name, a row for each test, with the columns
    "difference", "low" and "high". difference: that of all customers, a dashed line.
    yours: what the reader's own test of the first design has found. All in USD.
    """
    with plt.rc_context(STYLE):
        figure, panels = subplots(
            len(tests), figsize=(5.6, 2.7 * len(tests)), sharex=True, sharey=True
        )
        ends = [table["difference"].agg(["min", "max"]) for table in tests.values()]
        bins = np.linspace(min(map(min, ends)), max(map(max, ends)), 41)
        found = []
        for axes, (name, table) in zip(panels, tests.items(), strict=True):
            decides = (table["low"] > 0) | (table["high"] < 0)
            parts = [
                table.loc[decides, "difference"],
                table.loc[~decides, "difference"],
            ]
            axes.hist(
                parts,
                bins=bins,
                stacked=True,
                color=(BLUE, "#C8C8C8"),
                label=("0 is outside of the interval", "0 is inside of it"),
            )
            axes.axvline(0, color="black", linewidth=1.2)
            axes.axvline(difference, color=ORANGE, linestyle="--", linewidth=1.6)
            share = f"{100 * decides.mean():.0f} %"
            found.append(f"{share} at {name}")
            title = f"{name}: {share} of the tests find a difference"
            axes.set(ylabel="Tests", title=title)
        panels[0].plot(
            yours, 0, "^", color="black", markersize=11, clip_on=False, label="yours"
        )
        panels[-1].set_xlabel("Difference found, B minus A (USD per customer)")
        handles, labels = panels[0].get_legend_handles_labels()
        panels[-1].legend(
            handles, labels, loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=1
        )
        plt.close(figure)
    figure.alt = (
        f"Histograms of the difference that {len(table):,} tests find, a panel for "
        f"each design, around that of all customers, {difference:.2f} USD, a dashed "
        f"line; the interval excludes 0 in {_listed(found)}; a triangle marks your own "
        f"test, {yours:.2f} USD"
    )
    return figure


def intervals(
    found: Mapping[str, tuple[float, float, float]], matters: float
) -> DescribedFigure:
    """Draw differences with their intervals, one line each.

    found: by name, the difference and the ends of its 95 % interval, in USD. matters:
    the smallest difference that matters, a dotted line to either side of 0.
    """
    with plt.rc_context(STYLE):
        figure, axes = subplots(figsize=(5.6, 0.6 * len(found) + 1.3))
        axes.axvline(0, color="black", linewidth=1.2)
        for side in (-matters, matters):
            axes.axvline(side, color=GREY, linestyle=":", linewidth=1.4)
        for place, (middle, low, high) in enumerate(found.values()):
            axes.plot([low, high], [place, place], color=BLUE, linewidth=3)
            axes.plot(middle, place, "o", color=ORANGE, markersize=8)
        axes.set_yticks(range(len(found)), labels=list(found))
        axes.set(ylim=(len(found) - 0.5, -0.5))
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("Difference, B minus A (USD per customer)")
        plt.close(figure)
    texts = [
        f"{middle:.2f} ({low:.2f} to {high:.2f}) for {name}"
        for name, (middle, low, high) in found.items()
    ]
    figure.alt = (
        "Differences between B and A in USD per customer with their 95 % intervals: "
        f"{_listed(texts)}; dotted lines mark {matters:.2f} USD to either side of 0"
    )
    return figure


def latency_of_variants(
    milliseconds: Mapping[str, Sequence[float]], model_average: Mapping[str, float]
) -> DescribedFigure:
    """Draw the median and the 99th percentile of each variant's latency.

    milliseconds: for each variant the times of its requests, on the caller's clock.
    model_average: for each the average that its model took, as CloudWatch has it.
    """
    with plt.rc_context(STYLE):
        figure, axes = subplots(figsize=(5.6, 2.6))
        for place, ((name, times), colour) in enumerate(
            zip(milliseconds.items(), MODELS, strict=False)
        ):
            half, most = np.percentile(times, [50, 99])
            axes.plot([half, most], [place, place], color=colour, linewidth=1.5)
            marks = (
                (half, "o", "p50, your clock"),
                (most, "s", "p99, your clock"),
                (model_average[name], "D", "average of the model, CloudWatch"),
            )
            for x, mark, text in marks:
                axes.plot(
                    x,
                    place,
                    mark,
                    color=colour if mark != "D" else ORANGE,
                    markersize=8,
                    linestyle="none",
                    label=text if place == 0 else None,
                )
        axes.set_yticks(range(len(milliseconds)), labels=list(milliseconds))
        axes.set(ylim=(len(milliseconds) - 0.5, -0.5), xlabel="Milliseconds")
        axes.set_xlim(left=0)
        axes.grid(axis="y", visible=False)
        axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.3), ncols=1)
        plt.close(figure)
    figure.alt = (
        "Plot of the latency in milliseconds of the variants "
        f"{_listed(milliseconds)}: the median and the 99th percentile on the caller's "
        "clock, and the average time of the model as CloudWatch has it"
    )
    return figure


def rates_by_threshold(
    table: pd.DataFrame, marks: Mapping[str, float], limit: float | None = None
) -> DescribedFigure:
    """Draw precision, recall and false-positive rate over the threshold.

    table: as `utils.rates.rates_by_threshold` gives it. marks: thresholds to mark, by
    the text beside them. limit: a false-positive rate that is drawn as a line.
    """
    lines = {"precision": GREEN, "recall": BLUE, "false-positive rate": ORANGE}
    styles = ("-.", "-", "--")
    with plt.rc_context(STYLE):
        figure, axes = subplots(figsize=(5.6, 4.4))
        for (name, colour), style in zip(lines.items(), styles, strict=True):
            axes.plot(table.index, 100 * table[name], style, color=colour, label=name)
        if limit is not None:
            axes.axhline(100 * limit, color=GREY, linewidth=1)
            axes.text(
                1, 100 * limit + 1, f"{100 * limit:.0f} %", ha="right", color=GREY
            )
        for place, (text, threshold) in enumerate(marks.items()):
            axes.axvline(threshold, color=GREY, linestyle=":", linewidth=1.4)
            height = 103 + 7 * (place % 3)
            axes.text(threshold, height, text, color=GREY, ha="center")
        axes.set(
            xlim=(0, 1),
            ylim=(0, 101),
            xlabel="Threshold: who has at least this score is called",
            ylabel="Rate (%)",
        )
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=3)
        plt.close(figure)
    places = [f"{threshold:.2f} ({text})" for text, threshold in marks.items()]
    figure.alt = (
        "Line plot of precision, recall and false-positive rate over the threshold: "
        "recall and false-positive rate fall from 100 % to 0 as it rises, the "
        f"precision rises; marked are the thresholds {_listed(places)}"
    )
    return figure


def roc_curves(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    points: Mapping[str, tuple[float, float]],
    limit: float | None = None,
) -> DescribedFigure:
    """Draw ROC curves, and some decisions as points.

    curves, points: false-positive rate and recall, by the name of the model or of the
    decision. limit: a false-positive rate that is drawn as a line.
    """
    with plt.rc_context(STYLE):
        figure, axes = subplots(figsize=(5.6, 5.6))
        axes.plot([0, 100], [0, 100], ":", color=GREY, linewidth=1.2)
        axes.text(60, 55, "calls at random", color=GREY, rotation=45, ha="center")
        if limit is not None:
            axes.axvline(100 * limit, color=GREY, linestyle="--", linewidth=1.2)
            axes.text(100 * limit + 1, 2, f"{100 * limit:.0f} %", color=GREY)
        for (name, (across, up)), colour, style in zip(
            curves.items(), MODELS, ("-", "--", "-."), strict=False
        ):
            axes.plot(
                100 * np.asarray(across),
                100 * np.asarray(up),
                style,
                color=colour,
                label=name,
            )
        for name, (across, up) in points.items():
            axes.plot(100 * across, 100 * up, "D", color=ORANGE, markersize=7)
            axes.annotate(
                name,
                (100 * across, 100 * up),
                xytext=(9, -4),
                textcoords="offset points",
                va="top",
            )
        axes.set(
            xlim=(-1, 101),
            ylim=(-1, 101),
            aspect="equal",
            xlabel="False-positive rate (%): of those who don't buy, called",
            ylabel="Recall (%): of those who buy, called",
        )
        axes.legend(loc="lower right")
        plt.close(figure)
    marked = [
        f"{name} at a false-positive rate of {across:.0%} and a recall of {up:.0%}"
        for name, (across, up) in points.items()
    ]
    figure.alt = (
        f"ROC curves of {_listed(curves)}, recall over false-positive rate; marked "
        f"are {_listed(marked)}"
    )
    return figure


def rates_of_models(models: Mapping[str, pd.DataFrame]) -> DescribedFigure:
    """Draw each model's precision, recall, false-positive rate and accuracy, a panel
    each, with the 95 % intervals.

    models: for each, by its name, what `utils.rates.rates` gives.
    """
    names = list(next(iter(models.values())).index)
    with plt.rc_context(STYLE):
        figure, panels = subplots(len(names), figsize=(5.6, 5.6), sharex=True)
        for axes, rate in zip(panels, names, strict=True):
            for place, (table, colour) in enumerate(
                zip(models.values(), MODELS, strict=False)
            ):
                middle, low, high = 100 * table.loc[rate, ["rate", "low", "high"]]
                axes.barh(place, middle, color=colour, alpha=0.8, height=0.7)
                axes.plot([low, high], [place, place], color="black", linewidth=2.4)
                axes.text(high + 1.5, place, f"{middle:.0f} %", va="center")
            axes.set_yticks(range(len(models)), labels=list(models))
            axes.set_title(rate, loc="left")
            axes.invert_yaxis()
            axes.grid(axis="y", visible=False)
        panels[-1].set(xlim=(0, 105), xlabel="Test set (%), with the 95 % interval")
        plt.close(figure)
    texts = []
    for rate in names:
        values = [
            f"{table.loc[rate, 'rate']:.0%} for {name}"
            for name, table in models.items()
        ]
        texts.append(f"{rate} {_listed(values)}")
    figure.alt = f"Bar charts of rates on the test set: {'; '.join(texts)}"
    return figure


def share_by_score(
    actual: Sequence[int], scores: Mapping[str, Sequence[float]], groups: int = 10
) -> DescribedFigure:
    """Draw what share of the customers with a score buys, for each model.

    actual: 1 for who buys. scores: of the same customers, by the model's name. The
    customers are cut into groups of equal size by their score, a dot each.
    """
    with plt.rc_context(STYLE):
        figure, axes = subplots(figsize=(5.6, 4.4))
        axes.plot([0, 100], [0, 100], ":", color=GREY, label="score = share")
        ends = []
        for (name, score), colour, shape in zip(
            scores.items(), MODELS, ("o-", "s--", "^-."), strict=False
        ):
            table = pd.DataFrame({"score": np.asarray(score), "buys": list(actual)})
            cut = pd.qcut(table["score"].rank(method="first"), groups, labels=False)
            means = 100 * table.groupby(cut).mean()
            axes.plot(means["score"], means["buys"], shape, color=colour, label=name)
            last = means.iloc[-1]
            ends.append(
                f"{name}, {last['score']:.0f} % and {last['buys']:.0f} % in the highest"
            )
        axes.set(
            xlim=(0, 100),
            ylim=(0, None),
            xlabel="Mean score of a group of customers (%)",
            ylabel="Share of the group that buys (%)",
        )
        axes.legend()
        plt.close(figure)
    figure.alt = (
        f"Line plot of the share of {groups} groups of customers that buys over the "
        f"mean score of the group: {_listed(ends)} group"
    )
    return figure


def formats(table: pd.DataFrame) -> DescribedFigure:
    """Draw the size of files in two formats, and how long it took to write them.

    table: a row per file, by its name; the columns `format`, `megabytes` and `seconds`.
    """
    with plt.rc_context(STYLE):
        figure, panels = subplots(2, figsize=(5.6, 4.2))
        labels = {"megabytes": "Size (MB)", "seconds": "Time to write (s)"}
        for axes, (column, label) in zip(panels, labels.items(), strict=True):
            colours = [BLUE if name == "csv" else GREEN for name in table["format"]]
            bars = axes.barh(list(table.index), table[column], color=colours)
            axes.bar_label(bars, fmt="%.1f", padding=3)
            axes.invert_yaxis()
            axes.margins(x=0.12)
            axes.grid(axis="y", visible=False)
            axes.set_xlabel(label)
        plt.close(figure)
    sizes = [f"{row.megabytes:.1f} MB for {row.Index}" for row in table.itertuples()]
    figure.alt = (
        f"Bar charts of the size of four files, {_listed(sizes)}, and of the time that "
        "it took to write them"
    )
    return figure


def search_by_job(
    jobs: pd.DataFrame, objective: str, colour_by: str
) -> DescribedFigure:
    """Draw each training job's objective in their order, and the best one so far.

    jobs: a row per training job, the index its number; objective: the column with the
    RMSE that was searched for; colour_by: the column with a value that was tried.
    """
    best = jobs[objective].cummin()
    with plt.rc_context(STYLE):
        figure, axes = subplots()
        dots = axes.scatter(
            jobs.index,
            jobs[objective],
            c=jobs[colour_by],
            norm="log",
            cmap="viridis",
            s=42,
            edgecolors=GREY,
            linewidths=0.6,
            zorder=3,
            label="a training job",
        )
        axes.step(jobs.index, best, where="post", color=ORANGE, label="the best so far")
        bar = figure.colorbar(dots, label=f"{colour_by} (logarithmic scale)")
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        bar.ax.yaxis.set_major_formatter("{x:g}")
        bar.ax.yaxis.set_minor_formatter("")
        axes.set(
            xlabel="Number of the training job",
            ylabel=f"Validation RMSE ({PRICE_UNIT})",
            title=f"A search in {len(jobs)} training jobs",
        )
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
        plt.close(figure)
    figure.alt = (
        f"Scatter plot of the validation RMSE of {len(jobs)} training jobs in their "
        f"order, coloured by {colour_by}, with a line for the best so far: it falls "
        f"from {best.iloc[0]:.2f} after job {jobs.index[0]} to {best.iloc[-1]:.2f} at "
        f"job {jobs[objective].idxmin()}"
    )
    return figure


def objective_by_range(
    jobs: pd.DataFrame,
    objective: str,
    limits: Mapping[str, tuple[float, float]],
    logarithmic: Sequence[str],
) -> DescribedFigure:
    """Draw the objective over each hyperparameter that was searched, a panel for each.

    jobs, objective: as for search_by_job. limits: of the columns with what was tried,
    the lowest and the highest value allowed; those in `logarithmic` were searched on a
    logarithmic scale.
    """
    names = list(limits)
    best = jobs.loc[jobs[objective].idxmin()]
    with plt.rc_context(STYLE):
        rows = -(-len(names) // 2)
        figure, panels = subplots(
            rows, 2, figsize=(5.6, 2.6 * rows), sharey=True, squeeze=False
        )
        for axes, name in zip(panels.flat, names, strict=False):
            axes.scatter(jobs[name], jobs[objective], s=28, color=BLUE, alpha=0.65)
            axes.plot(best[name], best[objective], "D", color=ORANGE, markersize=8)
            for limit in limits[name]:
                axes.axvline(limit, color=GREY, linestyle=":", linewidth=1.2)
            axes.set(xlabel=name)
            if name in logarithmic:
                axes.set_xscale("log")
                axes.xaxis.set_major_formatter("{x:g}")
                axes.xaxis.set_minor_formatter("")
        for axes in panels.flat[len(names) :]:
            axes.set_visible(False)
        for axes in panels[:, 0]:
            axes.set_ylabel("Validation RMSE\n(thousand dollars)")
        plt.close(figure)
    where = [f"{name} {best[name]:.3g}" for name in names]
    figure.alt = (
        f"Scatter plots of the validation RMSE of {len(jobs)} training jobs over each "
        f"of {len(names)} hyperparameters; the best job, {best[objective]:.2f}, is "
        f"marked at {_listed(where)}; dotted lines mark the limits"
    )
    return figure


def searches_compared(best_so_far: Mapping[str, pd.DataFrame]) -> DescribedFigure:
    """Draw how far searches have come after each job, over many splits of the data.

    best_so_far: for each search, by its name, a row per job and a column per split: the
    lowest validation RMSE so far, less that of lesson 01's settings on the same split.
    """
    with plt.rc_context(STYLE):
        figure, axes = subplots()
        axes.axhline(0, color=GREY, linestyle="--", linewidth=1.2)
        for (name, table), colour, line in zip(
            best_so_far.items(), MODELS, ("-", "--", "-."), strict=False
        ):
            low, high = table.quantile(0.25, axis=1), table.quantile(0.75, axis=1)
            axes.fill_between(table.index, low, high, color=colour, alpha=0.15)
            axes.plot(table.index, table.mean(axis=1), line, color=colour, label=name)
        splits, jobs = table.shape[1], table.shape[0]
        axes.set(
            xlim=(1, jobs),
            xlabel="Number of training jobs so far",
            ylabel="Best validation RMSE so far,\nminus lesson 01's (thousand dollars)",
            title=f"Means over {splits} splits; half of the splits are in the band",
        )
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
        plt.close(figure)
    means = [
        f"{table.mean(axis=1).iloc[-1]:.2f} for {name}"
        for name, table in best_so_far.items()
    ]
    figure.alt = (
        f"Line plot, over {splits} splits of the data, of the best validation RMSE so "
        f"far minus that of lesson 01's settings, after each of {jobs} training jobs, "
        f"with a band for half of the splits; the means end at {_listed(means)}"
    )
    return figure


def gains_by_split(
    validation: Sequence[float], test: Sequence[float]
) -> DescribedFigure:
    """Draw one dot per split: what a search gained on the validation set to the right,
    what of it is left on the test set upwards.

    validation, test: by how much the RMSE is lower than that of lesson 01's settings,
    in thousands of dollars.
    """
    with plt.rc_context(STYLE):
        figure, axes = subplots()
        line = {"color": GREY, "linewidth": 1.2}
        top = 1.05 * max(validation)
        axes.axhline(0, **line)
        axes.plot([0, top], [0, top], "--", label="the same gain on both", **line)
        axes.scatter(validation, test, s=42, color=BLUE, alpha=0.75, linewidths=0)
        axes.plot(
            np.mean(validation), np.mean(test), "D", color=ORANGE, label="their mean"
        )
        axes.set(
            xlabel="Gain on the validation set (thousand dollars)",
            ylabel="Gain on the test set\n(thousand dollars)",
            title=f"Each dot is one of {len(validation)} splits",
        )
        axes.legend()
        plt.close(figure)
    gained = sum(gain > 0 for gain in test)
    figure.alt = (
        f"Scatter plot of {len(validation)} splits: what tuning gained on the "
        f"validation set, {np.mean(validation):.2f} thousand dollars on average, and "
        f"on the test set, {np.mean(test):.2f}; the test error fell in {gained} of them"
    )
    return figure


def confusion_matrix(
    actual: Sequence[int], called: Sequence[bool], title: str
) -> DescribedFigure:
    """Draw the four outcomes of a decision, with the share of each in its row.

    actual: 1 for each customer who says yes when called, 0 for one who says no. called:
    for the same customers, whether they are called.
    """
    yes, called = np.asarray(actual) == 1, np.asarray(called, dtype=bool)
    rows = {"buys": yes, "doesn't buy": ~yes}
    columns = {"called": called, "not called": ~called}
    counts = np.array(
        [[(r & c).sum() for c in columns.values()] for r in rows.values()]
    )
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with plt.rc_context(STYLE):
        figure, axes = subplots(figsize=(5.6, 3.6))
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.6, aspect="auto")
        for (row, column), count in np.ndenumerate(counts):
            text = f"{count:,}\n{shares[row, column]:.1%} of the row"
            axes.text(column, row, text, ha="center", va="center", fontsize=12)
        axes.set_xticks([0, 1], labels=columns)
        axes.set_yticks([0, 1], labels=[f"{r}\n({rows[r].sum():,})" for r in rows])
        axes.set_xticks([0.5], minor=True)
        axes.set_yticks([0.5], minor=True)
        axes.grid(visible=False)
        axes.grid(which="minor", color="white", linewidth=4)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)
        axes.set(
            title=title,
            xlabel="What the bank does",
            ylabel="What the customer does when called",
        )
        plt.close(figure)
    parts = [
        f"where the customer {name}, {count[0]:,} of {count.sum():,} are called "
        f"({share[0]:.1%})"
        for name, count, share in zip(rows, counts, shares, strict=True)
    ]
    figure.alt = f"Confusion matrix, {title}: {_listed(parts)}"
    return figure


def profit_over_threshold(
    profits: pd.Series, marks: Mapping[str, float]
) -> DescribedFigure:
    """Draw what a threshold earns, and mark some thresholds.

    profits: in USD, indexed by the threshold. marks: thresholds, by what they are.
    """
    with plt.rc_context(STYLE):
        figure, axes = subplots()
        axes.axhline(0, color=GREY, linewidth=1.2)
        axes.plot(profits.index, profits, color=BLUE)
        lines = (("--", ORANGE), (":", GREEN), ("-.", GREY))
        for (name, place), (style, colour) in zip(marks.items(), lines, strict=False):
            label = f"{place:g}: {name}"
            axes.axvline(place, color=colour, linestyle=style, label=label)
        axes.set(
            xlim=(0, 1),
            xlabel="Threshold: who has at least this probability is called",
            ylabel="Profit (USD)",
            title="What a threshold earns on the validation set",
        )
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.legend()
        plt.close(figure)
    best = profits.idxmax()
    places = [f"{place:g} ({name})" for name, place in marks.items()]
    figure.alt = (
        "Line plot of the profit on the validation set over the threshold: "
        f"{profits.iloc[0]:,.0f} USD at {profits.index[0]:g}, the most, "
        f"{profits[best]:,.0f}, at {best:g}, and {profits.iloc[-1]:,.0f} at "
        f"{profits.index[-1]:g}; lines mark {_listed(places)}"
    )
    return figure


def cost_of_forgetting(
    usd_per_hour: Mapping[str, float], weekend_h: float, days: int = 30
) -> DescribedFigure:
    """Draw what things cost that nobody deletes, over some days.

    usd_per_hour: by what it is. weekend_h: the length of a weekend in hours, which is
    marked.
    """
    hours = np.arange(0, 24 * days + 1)
    with plt.rc_context(STYLE):
        figure, axes = subplots(figsize=(5.6, 3.8))
        for (name, price), color in zip(
            usd_per_hour.items(), (ORANGE, BLUE, GREEN), strict=False
        ):
            axes.plot(hours / 24, hours * price, color=color)
            axes.annotate(
                name,
                (days, hours[-1] * price),
                xytext=(-4, 5),
                textcoords="offset points",
                ha="right",
                color=color,
            )
        axes.axvspan(0, weekend_h / 24, color=GREY, alpha=0.15, linewidth=0)
        axes.annotate("a weekend", (0.2, 0.94), xycoords=("data", "axes fraction"))
        axes.set(
            xlim=(0, days),
            ylim=(0, 1.12 * hours[-1] * max(usd_per_hour.values())),
            xlabel="Days until somebody deletes it",
            ylabel="USD",
            title="What it costs to forget",
        )
        plt.close(figure)
    listed = _listed(
        f"{24 * days * price:.2f} USD for {name}"
        for name, price in usd_per_hour.items()
    )
    figure.alt = (
        f"Straight lines that begin at 0 and after {days} days reach {listed}; the "
        f"first {weekend_h:g} hours, a weekend, are shaded"
    )
    return figure


def _listed(items: Iterable[object]) -> str:
    """Join items as a sentence does: 1, 50 and 167."""
    *others, last = [str(item) for item in items]
    return f"{', '.join(others)} and {last}" if others else last
