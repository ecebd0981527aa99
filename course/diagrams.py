"""The diagrams of the lessons: SVG files in notebooks/images, all drawn here.

`python -m course diagrams` writes them, and the README's picture of a result. A diagram
is a function that returns a canvas, and a row of DIAGRAMS with its name and its
alternative text.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from course import lessons
from course.canvas import (
    NARROW,
    NORMAL,
    RENTED,
    SMALL,
    WIDTH,
    Box,
    Canvas,
    DoesNotFit,
)
from local_aws.terminal import say
from utils.plots import BLUE, GREEN, GREY, ORANGE

IMAGES = lessons.NOTEBOOKS / "images"
RESULT = "readme_predicted_against_actual.png"
PALE_BLUE, PALE_GREEN, UNLIT = "#DCEAF5", "#DDF1EA", "#F4F4F4"


class NotDrawn(Exception):
    """A picture can't be drawn; the text names it and says why."""

    def __init__(self, name: str, reason: object) -> None:
        super().__init__(f"{name} is not drawn: {reason}")


def map_of_the_parts() -> Canvas:
    """Draw all parts of SageMaker that the course uses and what flows between them."""
    canvas = Canvas(476, NARROW)
    left, middle, right = 48, 172, 296
    wide, high = 80, 36
    rows = [134 + 72 * row for row in range(4)]
    below = rows[3] + 98
    canvas.frame(Box(middle, 251, 94, 294), "jobs, endpoints", below=True)
    _legend(canvas, (12, 20), "rents an instance: billed while it runs")

    def box(x: float, y: float, text: str) -> Box:
        return canvas.box(Box(x, y, wide, high), text, size=SMALL)

    def rented(x: float, y: float, text: str) -> Box:
        return canvas.rented(Box(x, y, wide, high), text, size=SMALL)

    notebook = Box(left, rows[0], wide, 58)
    canvas.box(Box(left, rows[0] + 17, wide, 24), "or your laptop", size=SMALL)
    canvas.rented(Box(left, rows[0] - 12, wide, 32), "notebook\ninstance", size=SMALL)
    data = box(left, rows[1], "data in S3")
    results = box(left, rows[2], "results in S3")
    app = box(left, rows[3], "your\napplication")
    training = rented(middle, rows[0], "training job\n(or tuning job)")
    transform = rented(middle, rows[2], "batch\ntransform job")
    endpoint = rented(middle, rows[3], "endpoint")
    image = box(right, 58, "container\nimage in ECR")
    artifact = box(right, rows[0], "artifact in S3\nmodel.tar.gz")
    model = box(right, rows[1], "model")
    config = box(right, rows[3], "endpoint\nconfiguration")
    role = box(left, below, "execution\nrole")
    logs = box(right, below, "CloudWatch\nLogs")

    across = [
        (notebook.right(), (middle - 47, notebook.y), "starts"),
        (training.right(), artifact.left(), "writes"),
        (transform.left(), results.right(), "writes"),
    ]
    for start, end, verb in across:
        canvas.arrow(start, end)
        x = (start[0] + end[0]) / 2
        canvas.text((x, start[1] - 8), verb, at="center", background="white")
    down = [
        (notebook, data, "uploads"),
        (artifact, model, "goes into"),
        (model, config, "goes into"),
    ]
    for start, end, verb in down:
        canvas.arrow(start.bottom(), end.top())
        (x, y0), (_, y1) = start.bottom(), end.top()
        canvas.text((x - 6, (y0 + y1) / 2 - 2), verb, at="right")
    words = {"at": "center", "background": "white"}
    canvas.arrow(config.left(), endpoint.right())
    canvas.text((234, config.y - 26), "describes", **words)
    canvas.arrow(data.right(-6), training.left(10))
    canvas.arrow(data.right(6), transform.left(-10))
    canvas.text((107, data.y), "feeds", at="center")
    canvas.arrow(model.left(8), transform.right(-8))
    canvas.text((234, (model.y + transform.y) / 2), "runs in", **words)
    canvas.arrow(image.left(), (middle, 58), training.top())
    canvas.text((230, 50), "runs in", at="center")
    canvas.arrow(image.right(), (343, 58), (343, model.y), model.right())
    canvas.text((338, 95), "goes into", at="right")
    canvas.arrow(app.right(-7), endpoint.left(-7))
    canvas.text((108, app.y - 16), "calls", at="center")
    canvas.arrow(endpoint.left(8), app.right(8))
    canvas.text((107, app.y + 27), "responds", **words)
    canvas.arrow(role.right(), (middle - 24, below), (middle - 24, 398))
    reach = "gives access to\nS3, ECR and Logs"
    canvas.text((143, below - 34), reach, at="right")
    canvas.arrow((middle + 24, 398), (middle + 24, below), logs.left())
    canvas.text((201, below - 30), "write\ntheir logs")
    return canvas


# The road: place and text of each part.
ROAD = {
    "data": (45, 58, "data"),
    "training job": (132, 58, "training\njob"),
    "artifact": (219, 58, "artifact"),
    "model": (306, 58, "model"),
    "batch transform": (306, 128, "batch\ntransform"),
    "endpoint configuration": (219, 128, "endpoint\nconfiguration"),
    "endpoint": (132, 128, "endpoint"),
}


def road(
    number: str, text: str, lit: Iterable[str], twice: Iterable[str] = ()
) -> Canvas:
    """Draw the road from data to endpoint as a strip with a lesson's parts lit.

    `twice` names parts that the lesson has two of.
    """
    canvas = Canvas(160, NARROW)
    canvas.text((10, 20), f"Lesson {number}:", size=NORMAL, bold=True, ink=BLUE)
    canvas.text((76, 20), text, size=NORMAL)
    wide, high = 70, 36
    boxes = {}
    for name, (x, y, label) in ROAD.items():
        box = Box(x, y, wide, high)
        colours = {"fill": UNLIT, "edge": "#AAAAAA", "ink": GREY}
        if name in lit:
            colours = {"fill": BLUE, "edge": BLUE, "ink": "white"}
        if name in twice:
            behind = Box(box.x + 4, box.y - 4, wide, high)
            canvas.box(behind, "", **{**colours, "fill": PALE_BLUE})
        boxes[name] = canvas.box(
            box, label, size=SMALL, bold=name in lit and len(label) < 10, **colours
        )
    straight = [boxes[name] for name in ("data", "training job", "artifact", "model")]
    for start, end in pairwise(straight):
        canvas.arrow(start.right(), end.left())
    model, config = boxes["model"], boxes["endpoint configuration"]
    canvas.arrow(model.bottom(12), boxes["batch transform"].top(12))
    canvas.arrow(model.bottom(-12), (model.x - 12, 93), (config.x, 93), config.top())
    canvas.arrow(config.left(), boxes["endpoint"].right())
    return canvas


def channels() -> Canvas:
    """Draw how rows of a table come to a training container, and the model back."""
    canvas = Canvas(330, NARROW)
    here, bucket, there = 58, 175, 292
    wide, high = 92, 46
    titles = {here: "your notebook", bucket: "bucket in S3", there: "container"}
    for x, title in titles.items():
        canvas.frame(Box(x, 165, 108, 310), title)

    def box(x: float, y: float, text: str, fill: str = PALE_BLUE) -> Box:
        return canvas.box(Box(x, y, wide, high), text, size=SMALL, fill=fill)

    table = box(here, 76, "table\n(DataFrame)", "white")
    file = box(here, 152, "train.csv")
    key = box(bucket, 152, "PREFIX/train/\ntrain.csv")
    folder = box(there, 152, "/opt/ml/input/\ndata/train/\ntrain.csv")
    program = canvas.rented(Box(there, 222, wide, 30), "XGBoost")
    out = box(there, 284, "/opt/ml/model/", PALE_GREEN)
    stored = "OUTPUT_PATH/\nJOB_NAME/output/\nmodel.tar.gz"
    artifact = box(bucket, 284, stored, PALE_GREEN)

    words = {"at": "center", "background": "white"}
    canvas.text((bucket, 76), "Each channel has\na prefix of its own.", at="center")
    canvas.text(
        (there, 76), "The program reads\nand writes folders,\nnever S3.", at="center"
    )
    canvas.arrow(table.bottom(), file.top())
    canvas.text((here - 8, 114), "to_csv", at="right")
    canvas.arrow(file.right(), key.left())
    canvas.text((116, 120), "upload", **words)
    canvas.arrow(key.right(), folder.left(), width=3, ink=BLUE)
    canvas.text((233, 114), 'channel\n"train"', ink=BLUE, bold=True, **words)
    canvas.arrow(folder.bottom(), program.top())
    canvas.text((there + 8, 190), "reads")
    canvas.arrow(program.bottom(), out.top())
    canvas.text((there + 8, 249), "writes")
    canvas.arrow(out.left(), artifact.right(), width=3, ink=GREEN)
    canvas.text((233, 252), "artifact", ink=GREEN, bold=True, **words)
    return canvas


def container_folders() -> Canvas:
    """Draw the folders of a training container that runs a script."""
    canvas = Canvas(412, NARROW)
    canvas.frame(Box(88, 206, 152, 392), "/opt/ml in the container")
    rows = [
        ("input/data/train/", PALE_BLUE, "a channel of yours", "SM_CHANNEL_TRAIN"),
        ("input/data/code/", PALE_BLUE, "your source folder", "the working folder"),
        ("input/data/sm_drivers/", PALE_BLUE, "the SDK's scripts,", "which run yours"),
        ("input/config/", PALE_BLUE, "the request's settings", "hyperparameters.json"),
        ("your script", RENTED, "arguments: --rounds 60", "folders: SM_ variables"),
        ("model/", PALE_GREEN, "model.tar.gz", "SM_MODEL_DIR"),
        ("output/data/", PALE_GREEN, "output.tar.gz", "SM_OUTPUT_DATA_DIR"),
        ("output/failure", PALE_GREEN, "FailureReason", "only if it fails"),
    ]
    for place, (name, fill, what, variable) in enumerate(rows):
        y = 54 + 46 * place
        box = Box(88, y, 132, 30)
        if fill == RENTED:
            canvas.rented(box, name, size=SMALL)
        else:
            canvas.box(box, name, size=SMALL, fill=fill)
        if fill == PALE_BLUE:
            canvas.arrow((206, y), (158, y), ink=BLUE)
        elif fill == PALE_GREEN:
            canvas.arrow((158, y), (206, y), ink=GREEN)
        canvas.text((212, y - 7), what, bold=True)
        canvas.text((212, y + 8), variable, mono=variable.startswith("SM_"))
    return canvas


def training_job_timeline() -> Canvas:
    """Draw the statuses of a training job, with what is billed shaded."""
    canvas = Canvas(318, NARROW)
    stages = [
        ("Starting", "finds and starts an instance"),
        ("Downloading", "copies the channels and the image"),
        ("Training", "runs the container: the log is written"),
        ("Uploading", "packs and saves model.tar.gz"),
    ]
    tops = [18, 76, 134, 192, 250]
    for (name, text), top, end in zip(stages, tops, tops[1:], strict=False):
        fill = "white" if name == "Starting" else RENTED
        canvas.bar((12, 110), (top, end), name, fill=fill, bold=True)
        canvas.text((118, (top + end) / 2), text)
    canvas.arrow((61, 250), (61, 268))
    canvas.text((61, 276), "Completed", at="center", bold=True)
    for y, name in ((tops[1], "TrainingStartTime"), (tops[4], "TrainingEndTime")):
        canvas.line((12, y), (338, y), ink=ORANGE, dashed=True)
        canvas.text((338, y - 9), name, at="right", mono=True)
    canvas.arrow((332, 88), (332, 238), ink=ORANGE, both=True)
    billed = "billed:\nBillableTimeInSeconds"
    canvas.text((326, 134), billed, at="right", bold=True)
    canvas.text((118, 32), "not billed")
    _legend(canvas, (12, 300), "billed per second, for each instance; not to scale")
    return canvas


def tuning_loop() -> Canvas:
    """Draw the loop of a tuning job: suggest, train, read the metric, suggest."""
    canvas = Canvas(358, NARROW)
    canvas.frame(Box(175, 128, 326, 236), "tuning job")
    suggest = canvas.box(
        Box(210, 58, 150, 40), "suggest:\nwhat to try next", fill=PALE_BLUE
    )
    canvas.rented(Box(218, 127, 150, 40), "")
    canvas.rented(Box(214, 131, 150, 40), "")
    train = canvas.rented(Box(210, 135, 150, 40), "train:\nthree jobs at a time")
    metric = canvas.box(
        Box(210, 212, 150, 40), "read the metric:\nvalidation:rmse", fill=PALE_GREEN
    )
    best = canvas.box(Box(210, 290, 150, 32), "best training job", bold=True)
    canvas.arrow(suggest.bottom(), (210, 107), width=3, ink=BLUE)
    canvas.text((220, 92), "eta, max_depth, ...")
    canvas.arrow(train.bottom(), metric.top(), width=3, ink=GREEN)
    canvas.text((220, 172), "its log")
    canvas.arrow(metric.left(), (62, 212), (62, 58), suggest.left(), width=3, ink=BLUE)
    back = "results of\nearlier jobs"
    canvas.text((62, 135), back, at="center", background="white")
    canvas.arrow(metric.bottom(), best.top())
    canvas.text((220, 262), "after the last job")
    _legend(canvas, (18, 334), "rents an instance: billed while it runs")
    return canvas


def request_path() -> Canvas:
    """Draw a request's way to the container and who raises which error."""
    canvas = Canvas(318)
    client = canvas.box(Box(76, 84, 112, 60), "your client\ninvoke_endpoint")
    runtime = canvas.box(Box(256, 84, 104, 60), "SageMaker\nruntime", fill=PALE_BLUE)
    canvas.frame(Box(437, 88, 150, 148), "instance of the endpoint")
    canvas.rented(Box(437, 98, 134, 112), "")
    canvas.text((437, 54), "container", at="center", size=NORMAL, bold=True)
    invocations = canvas.box(Box(437, 84, 110, 26), "/invocations")
    ping = canvas.box(Box(437, 128, 110, 26), "/ping")
    canvas.arrow(client.right(-8), runtime.left(-8))
    canvas.text((168, 67), "request", at="center")
    canvas.arrow(runtime.left(8), client.right(8))
    canvas.text((168, 102), "response", at="center")
    canvas.arrow(runtime.right(-6), invocations.left(-6))
    canvas.text((333, 69), "POST", at="center")
    canvas.arrow(invocations.left(6), runtime.right(6))
    canvas.text((318, 134), "SageMaker's health check:\nGET now and then", at="right")
    canvas.arrow((322, 128), ping.left())

    canvas.text((20, 182), "Who raises which error", size=NORMAL, bold=True)
    who = [
        (
            Box(76, 248, 120, 108),
            "boto3",
            "ParamValidationError",
            UNLIT,
            (
                "a member is missing or",
                "has the wrong type;",
                "nothing is sent",
            ),
        ),
        (
            Box(224, 248, 152, 108),
            "SageMaker runtime",
            "ValidationError, 400",
            PALE_BLUE,
            (
                "no endpoint of that name",
                "in this account and Region,",
                "or no such variant",
            ),
        ),
        (
            Box(411, 248, 200, 108),
            "container",
            "ModelError, 424",
            RENTED,
            (
                "OriginalStatusCode says why:",
                "400: wrong number of columns",
                "413: body above its limit",
                "415: body that it can't read",
            ),
        ),
    ]
    for box, name, error, fill, reasons in who:
        canvas.box(box, "", fill=fill)
        canvas.text((box.x, 208), name, at="center", size=NORMAL, bold=True)
        canvas.text((box.x, 226), error, at="center", mono=True)
        canvas.text((box.x, 268), "\n".join(reasons), at="center")
    return canvas


def two_variants() -> Canvas:
    """Draw an endpoint with two variants; an arrow is as thick as the share."""
    canvas = Canvas(262, NARROW)
    thick = 16
    app = canvas.box(Box(52, 112, 84, 44), "your\napplication", size=SMALL)
    canvas.frame(Box(226, 112, 232, 196), "one endpoint, two variants")
    old = canvas.rented(Box(286, 78, 96, 52), "LinearLearner\nweight 90", size=SMALL)
    new = canvas.rented(Box(286, 162, 96, 52), "XGBoost\nweight 10", size=SMALL)
    split = canvas.box(Box(148, 112, 56, 62), "picks\none at\nrandom", size=SMALL)
    canvas.flow(app.right(), split.left(), width=thick, ink=GREY)
    canvas.text((52, 80), "all requests", at="center")
    canvas.flow(split.right(-8), old.left(), width=0.9 * thick, ink=BLUE)
    canvas.flow(split.right(12), new.left(), width=0.1 * thick, ink=GREEN)
    canvas.text((200, 68), "90 %", at="center", bold=True, ink=BLUE)
    canvas.text((200, 160), "10 %", at="center", bold=True, ink=GREEN)
    _legend(canvas, (12, 226), "has an instance of its own")
    canvas.text((12, 246), "share of a variant = its weight / sum of all weights")
    return canvas


def ab_test_design() -> Canvas:
    """Draw an A/B test from the customer who arrives to the rule that decides."""
    canvas = Canvas(396, NARROW)
    thick = 14
    customers = canvas.box(Box(58, 96, 92, 50), "customers,\neach once", size=SMALL)
    canvas.frame(Box(228, 96, 216, 164), "the endpoint")
    split = canvas.box(Box(162, 96, 58, 58), "picks\none at\nrandom", size=SMALL)
    old = canvas.rented(Box(286, 66, 84, 44), "A\nweight 50", size=SMALL)
    new = canvas.rented(Box(286, 132, 84, 44), "B\nweight 50", size=SMALL)
    canvas.flow(customers.right(), split.left(), width=thick, ink=GREY)
    canvas.flow(split.right(-10), old.left(), width=thick / 2, ink=BLUE)
    canvas.flow(split.right(10), new.left(), width=thick / 2, ink=GREEN)
    wide = 148
    log = canvas.box(
        Box(254, 216, wide, 44), "log: customer, variant,\ncalled or not", size=SMALL
    )
    outcome = canvas.box(
        Box(86, 216, wide - 8, 44), "outcomes, days later:\na sale or not", size=SMALL
    )
    compared = canvas.box(
        Box(175, 296, 250, 44),
        "profit per customer of each group,\nB minus A with its interval",
        fill=PALE_BLUE,
        size=SMALL,
    )
    rule = canvas.box(
        Box(175, 364, 250, 32),
        "the rule from the plan: one look",
        size=SMALL,
        bold=True,
    )
    canvas.arrow((254, 178), log.top())
    canvas.arrow(customers.bottom(), (58, 194))
    canvas.text((66, 158), "are called,\nor not")
    canvas.arrow(log.bottom(), (254, 274))
    canvas.arrow(outcome.bottom(), (86, 274))
    canvas.text((170, 256), "joined by customer", at="center", background="white")
    canvas.arrow(compared.bottom(), rule.top())
    return canvas


def web_app_path() -> Canvas:
    """Draw a request's way from a page to the endpoint, and what each part is sent."""
    canvas = Canvas(360, NARROW)
    x, wide, high = 86, 126, 44
    page = canvas.box(Box(x, 40, wide, high), "page in a browser\n(no keys)")
    api = canvas.box(Box(x, 132, wide, high), "HTTP API\n(API Gateway)", fill=PALE_BLUE)
    function = canvas.box(
        Box(x, 224, wide, high), "function\n(Lambda)", fill=PALE_GREEN
    )
    endpoint = canvas.rented(Box(x, 316, wide, high), "endpoint\n(SageMaker)")
    for upper, lower in ((page, api), (api, function), (function, endpoint)):
        canvas.arrow(upper.bottom(-24), lower.top(-24))
        canvas.arrow(lower.top(24), upper.bottom(24))
    right = x + wide / 2 + 14
    canvas.text((right, 40), "a customer, in words")
    canvas.text((right, 76), 'POST {"age": 47, "campaign": 1, ...}', size=SMALL)
    canvas.text((right, 96), "back: probability, call or not", ink=GREY)
    canvas.text((right, 132), "limits the requests, allows\none page's origin")
    canvas.text((right, 178), "needs the function's permission", ink=BLUE)
    canvas.text((right, 224), "checks each field, makes\n57 numbers of them")
    canvas.text((right, 260), "signed with its role's keys:", ink=BLUE)
    canvas.text((right, 278), "47,1,0,0,0,1,0,...   back: 0.03")
    canvas.text((right, 316), "reads numbers, and only\nfrom who signs")
    return canvas


def blue_green() -> Canvas:
    """Draw the two fleets of an update over time; a line marks what is billed."""
    canvas = Canvas(262)
    begin, update, runs, ready, over, end = 104, 172, 228, 302, 434, 506
    lanes = {"status": 78, "requests": 112, "old fleet": 152, "new fleet": 192}
    colours = {"old fleet": "\n(blue)", "new fleet": "\n(green)"}
    for name, y in lanes.items():
        canvas.text((18, y), name + colours.get(name, ""), size=NORMAL, bold=True)

    def bar(lane: str, start: float, stop: float, text: str, fill: str) -> None:
        y = lanes[lane]
        canvas.bar((start, stop), (y - 13, y + 13), text, fill=fill)

    def billed(lane: str, start: float, stop: float) -> None:
        y = lanes[lane] + 16
        canvas.line((start + 2, y), (stop - 2, y), width=3, ink=ORANGE)

    bar("status", begin, update, "InService", fill="white")
    bar("status", update, over, "Updating", fill=UNLIT)
    bar("status", over, end, "InService", fill="white")
    bar("requests", begin, ready, "go to the old fleet", fill=PALE_BLUE)
    bar("requests", ready, end, "go to the new fleet", fill=PALE_GREEN)
    bar("old fleet", begin, ready, "serves", fill=PALE_BLUE)
    bar("old fleet", ready, over, "finishes, then ends", fill=PALE_BLUE)
    bar("new fleet", update, runs, "launch", fill="white")
    bar("new fleet", runs, ready, "is checked", fill=PALE_GREEN)
    bar("new fleet", ready, end, "serves", fill=PALE_GREEN)
    billed("old fleet", begin, over)
    billed("new fleet", runs, end)
    moments = [
        (update, "update()\nis called"),
        (ready, "new fleet is healthy:\ntraffic moves"),
        (over, "old fleet\nis gone"),
    ]
    for x, text in moments:
        canvas.text((x, 34), text, at="center")
        canvas.line((x, 50), (x, 212), ink=ORANGE, dashed=True)
    canvas.arrow((runs, 218), (over, 218), ink=ORANGE, both=True)
    both = "both fleets are billed"
    canvas.text(
        ((runs + over) / 2, 218), both, at="center", bold=True, background="white"
    )
    canvas.line((18, 244), (42, 244), width=3, ink=ORANGE)
    canvas.text((48, 244), "instances run: billed")
    canvas.text((WIDTH - 18, 244), "Lengths are not to scale.", at="right", ink=GREY)
    return canvas


def four_cells() -> Canvas:
    """Draw the same four cells three times, lit for precision, recall and the false
    positives.
    """
    canvas = Canvas(398, NARROW)
    numbers = {
        ("buy", "called"): 60,
        ("buy", "not called"): 50,
        ("don't buy", "called"): 133,
        ("don't buy", "not called"): 757,
    }
    across = {"called": 124, "not called": 206}
    text = "The same 1,000 customers, three times: 110 buy if they are called"
    canvas.text((NARROW / 2, 18), text, at="center")
    rates = (
        ("precision", "who buys,\nof those called", "called", GREEN, PALE_GREEN),
        ("recall", "who is called,\nof those who buy", "buy", BLUE, PALE_BLUE),
        (
            "false-\npositive rate",
            "who is called,\nof those who don't",
            "don't buy",
            ORANGE,
            RENTED,
        ),
    )
    for place, (name, words, group, ink, pale) in enumerate(rates):
        top = 48 + 118 * place
        cases = 0
        for column, x in across.items():
            canvas.text((x, top), column, at="center")
        for row, y in (("buy", top + 26), ("don't buy", top + 66)):
            canvas.text((76, y), row, at="right")
            for column, x in across.items():
                number, lit = numbers[row, column], group in (row, column)
                cases += number if lit else 0
                fill = pale if lit else UNLIT
                counted = lit and (row, column) in (
                    ("buy", "called"),
                    (group, "called"),
                )
                canvas.box(
                    Box(x, y, 78, 36),
                    f"{number}",
                    fill=fill,
                    edge=ink if counted else GREY,
                    size=NORMAL,
                    bold=counted,
                )
        hits = numbers["don't buy" if group == "don't buy" else "buy", "called"]
        share = f"{hits} of {cases}\n= {100 * hits / cases:.0f} %"
        canvas.text((252, top + 6), name, size=NORMAL, bold=True, ink=ink)
        canvas.text((252, top + 38), words)
        canvas.text((252, top + 70), share, size=NORMAL)
    return canvas


def one_hot() -> Canvas:
    """Draw one-hot encoding: a column of words becomes a column for each word."""
    canvas = Canvas(330, NARROW)
    words = ["services", "student", "admin."]
    known = ["admin.", "blue-\ncollar", "services", "student", "..."]
    wide, high, left = 46, 24, 132
    titles = [left + wide * place for place in range(len(known))]
    canvas.text((48, 20), "job", at="center", bold=True)
    canvas.text((222, 20), "a column for each job in the list", at="center", bold=True)

    def encoded(
        y: float, word: str, columns: Sequence[str], places: list[float]
    ) -> None:
        canvas.box(Box(48, y, 68, high), word, size=SMALL)
        canvas.arrow((84, y), (left - wide / 2 - 3, y))
        for x, name in zip(places, columns, strict=True):
            hit = name == word
            fill = PALE_BLUE if hit else "white"
            text = "..." if name == "..." else f"{int(hit)}"
            canvas.box(Box(x, y, wide, high), text, size=SMALL, fill=fill, bold=hit)

    for x, name in zip(titles, known, strict=True):
        canvas.text((x, 46), name, at="center")
    for row, word in enumerate(words):
        encoded(76 + row * high, word, known, titles)
    canvas.line((12, 160), (NARROW - 12, 160), ink=GREY, dashed=True)
    canvas.text((12, 180), "Later, one customer alone:", bold=True)
    canvas.text((12, 204), "by the list: the same columns, in the same order", ink=BLUE)
    encoded(230, "student", known, titles)
    canvas.text(
        (12, 266), "by what is in the row: one column, in the wrong place", ink=ORANGE
    )
    encoded(304, "student", ["student"], titles[:1])
    canvas.text((titles[1] - 16, 304), "the model reads this as admin.", ink=ORANGE)
    return canvas


def clean_up_order() -> Canvas:
    """Draw in which order things go, and how each is billed until then."""
    canvas = Canvas(392, NARROW)
    x, wide, high = 78, 122, 38
    rows = (
        ("endpoint", "1 what runs", "by the hour, used or not"),
        ("configuration,\nmodel", "2 what it was made of", "nothing: they are records"),
        ("role", "3 what may do things", "nothing; but it holds permissions"),
        ("logs", "4 what was logged", "by size"),
        ("objects, versions,\nunfinished uploads", "5 what is stored", "by size"),
        ("bucket", "6 what is empty now", "nothing by itself"),
    )
    canvas.text((x + wide / 2 + 16, 20), "billed until it is deleted", bold=True)
    boxes = []
    for number, (name, step, billed) in enumerate(rows):
        box = Box(x, 54 + 60 * number, wide, high)
        draw = canvas.rented if number == 0 else canvas.box
        boxes.append(draw(box, name, size=SMALL))
        right = x + wide / 2 + 16
        canvas.text((right, box.y - 9), step, ink=BLUE)
        canvas.text((right, box.y + 9), billed)
    for upper, lower in pairwise(boxes):
        canvas.arrow(upper.bottom(), lower.top())
    return canvas


def _legend(canvas: Canvas, point: tuple[float, float], text: str) -> None:
    x, y = point
    canvas.box(Box(x + 8, y, 16, 12), "", fill=RENTED, edge=ORANGE)
    canvas.text((x + 22, y), text)


class Diagram(NamedTuple):
    """A picture: how it is drawn, and what it shows, for those who can't see it."""

    draw: Callable[[], Canvas]
    alt: str


FIRST = ("data",)
TESTED = ("data", "training job", "artifact", "model", "batch transform")
SERVED = ("model", "endpoint configuration", "endpoint")
ALL = (*TESTED, "endpoint configuration", "endpoint")
TO_ENDPOINT = ("data", "training job", "artifact", *SERVED)
WHOLE = (*TESTED, "endpoint configuration", "endpoint")


def _road(
    number: str, text: str, lit: Sequence[str], twice: Sequence[str] = ()
) -> Diagram:
    names = ", ".join(f"two {name}s" if name in twice else name for name in lit)
    alt = (
        "The road from data through a training job and its artifact to a model, and on "
        "to batch transform or, through an endpoint configuration, to an endpoint; "
        f"lit for lesson {number}: {names}"
    )
    return Diagram(lambda: road(number, text, lit, twice), alt)


DIAGRAMS = {
    "map_of_the_parts": Diagram(
        map_of_the_parts,
        "Map of SageMaker's parts: a notebook instance, or your laptop, uploads data "
        "to S3 and starts jobs and endpoints; a training job writes an artifact; "
        "artifact and image go into a model, which runs in a batch transform job or "
        "goes into an endpoint configuration, which describes an endpoint; notebook "
        "instance, jobs and endpoint are orange: they rent an instance",
    ),
    "road_00": _road("00", "data goes to S3", FIRST),
    "road_01": _road("01", "train a model and test it", TESTED),
    "road_02": _road("02", "the same, with requests written by hand", TESTED),
    "road_03": _road("03", "put a model behind an endpoint", SERVED),
    "road_04": _road("04", "the same, with requests written by hand", SERVED),
    "road_05": _road("05", "many training jobs; the best is tested", TESTED),
    "road_06": _road("06", "the same, with requests written by hand", TESTED),
    "road_07": _road("07", "two models behind one endpoint", SERVED, ("model",)),
    "road_08": _road("08", "from your own bucket to an endpoint", TO_ENDPOINT),
    "road_09": _road("09", "three training jobs, told what matters", TESTED),
    "one_hot": Diagram(
        one_hot,
        "One-hot encoding: the column job with the words services, student and admin. "
        "becomes a column for each job in a fixed list, with a 1 in the one that fits "
        "and 0 in the others; a single student is encoded to the same columns by the "
        "list, but to one column alone by what is in the row, and the model reads it "
        "as admin.",
    ),
    "channels": Diagram(
        channels,
        "A table becomes train.csv, is uploaded to S3, and arrives by the channel "
        '"train" in the container\'s folder /opt/ml/input/data/train; what the program '
        "writes to /opt/ml/model goes back to S3 as model.tar.gz",
    ),
    "container_folders": Diagram(
        container_folders,
        "The folders under /opt/ml of a training container that runs a script: in come "
        "a channel, your source folder, the SDK's scripts and the request's settings; "
        "out go the model's folder as model.tar.gz, the folder output/data as "
        "output.tar.gz, and the file output/failure as the FailureReason of a job that "
        "fails; variables such as SM_CHANNEL_TRAIN and SM_MODEL_DIR name the folders",
    ),
    "training_job_timeline": Diagram(
        training_job_timeline,
        "A training job over time: Starting is not billed; Downloading, Training and "
        "Uploading, between TrainingStartTime and TrainingEndTime, are; then the job "
        "is Completed",
    ),
    "tuning_loop": Diagram(
        tuning_loop,
        "The loop of a tuning job: it suggests values for the hyperparameters, trains "
        "with them, three jobs at a time, reads validation:rmse from each job's log, "
        "and suggests again, knowing the results of earlier jobs; after the last it "
        "names the best training job; only the training jobs are orange: they rent an "
        "instance",
    ),
    "request_path": Diagram(
        request_path,
        "A request goes from the client to the SageMaker runtime and on to the "
        "container's /invocations; boto3, the runtime and the container each raise "
        "errors of their own",
    ),
    "two_variants": Diagram(
        two_variants,
        "An endpoint sends 90 % of the requests to the variant LinearLearner, whose "
        "weight is 90, and 10 % to the variant XGBoost, whose weight is 10",
    ),
    "road_10": _road("10", "an A/B test decides between two", SERVED, ("model",)),
    "road_12": _road("12", "your own code trains and serves", ALL),
    "ab_test_design": Diagram(
        ab_test_design,
        "The test's design: customers arrive once each, the endpoint picks the variant "
        "A or B at random, each with weight 50; the log says which variant answered "
        "and who is called, the outcomes come days later and are joined by customer; "
        "then the profit per customer of both groups is compared, and the rule from "
        "the plan decides, in one look",
    ),
    "four_cells": Diagram(
        four_cells,
        "The same four cells three times, of 1,000 customers of whom 110 buy if they "
        "are called: precision is 60 of the 193 called, 31 %; recall is 60 of the 110 "
        "who buy, 55 %; the false-positive rate is 133 of the 890 who don't buy, 15 %",
    ),
    "road_13": _road("13", "all of it is found, and deleted", TO_ENDPOINT),
    "clean_up_order": Diagram(
        clean_up_order,
        "The order of a clean-up: first the endpoint, which is billed by the hour; its "
        "configuration and the model, records that cost nothing; roles, which cost "
        "nothing and hold permissions; logs, then objects with their old versions and "
        "unfinished uploads, billed by size; last the empty bucket",
    ),
    "road_11": _road("11", "a page in front of the endpoint", TO_ENDPOINT),
    "road_A": _road("A", "the same road in every version", WHOLE),
    "web_app_path": Diagram(
        web_app_path,
        "A request's way from a page in a browser through the HTTP API and the Lambda "
        "function to the endpoint: the page has no keys and sends a customer in words, "
        "the function makes 57 numbers of them and signs with the keys of its role, "
        "and the endpoint sends a probability back",
    ),
    "blue_green": Diagram(
        blue_green,
        "An update over time: the old fleet serves while a new fleet starts; when the "
        "new one is healthy the traffic moves and the old one ends; both are billed "
        "while both run",
    ),
}


def draw(name: str) -> str:
    """Return a diagram as SVG. Raises NotDrawn."""
    diagram = DIAGRAMS[name]
    try:
        return diagram.draw().svg(diagram.alt)
    except DoesNotFit as error:
        raise NotDrawn(name, error) from error


def write_diagrams(folder: Path = IMAGES) -> list[Path]:
    """Draw all diagrams; return the files that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name in DIAGRAMS:
        path, svg = folder / f"{name}.svg", draw(name)
        if not path.exists() or path.read_text(encoding="utf-8") != svg:
            path.write_text(svg, encoding="utf-8")
            changed.append(path)
    return changed


def write_result(folder: Path = IMAGES, notebooks: Path = lessons.NOTEBOOKS) -> Path:
    """Store the last figure of lesson 01, its result, as a file for the README.

    Raises NotDrawn.
    """
    try:
        found = lessons.find_lessons(["01"], notebooks)
    except lessons.NoSuchLesson as error:
        raise NotDrawn(RESULT, error) from error
    if len(found) > 1:
        raise NotDrawn(RESULT, f"there are {len(found)} lessons 01")
    (lesson,) = found
    try:
        figures = [png for _, png in lessons.figures(lessons.read(lesson)) if png]
    except lessons.UnreadableNotebook as error:
        raise NotDrawn(RESULT, f"{lesson.name} {error}") from error
    if not figures:
        reason = f"{lesson.name} stores no figure; run `make outputs`"
        raise NotDrawn(RESULT, reason)
    path = folder / RESULT
    path.write_bytes(figures[-1])
    return path


def draw_all(folder: Path = IMAGES, notebooks: Path = lessons.NOTEBOOKS) -> int:
    """Draw everything, print what changed; return 0, or 1 with a sentence why not."""
    try:
        changed = write_diagrams(folder)
        print("\n".join(f"drawn: {path.name}" for path in changed) or "nothing changed")
        write_result(folder, notebooks)
    except NotDrawn as error:
        say(str(error), file=sys.stderr)
        return 1
    return 0
