"""The command line: `python -m benchmarks [NUMBER ...]`."""

import argparse
import os
import sys
from collections.abc import Callable
from importlib import import_module

from benchmarks.figures import Figure, machine, table
from benchmarks.measuring import Run
from course.terminal import make_console
from course.terminal import say as say_on
from local_aws.installation import FOREIGN_PREFIXES, HOST

# Number: what it is, and the function that measures it.
LINES = {
    1: ("a small training job", "training:measure_small"),
    2: ("a large training job", "training:measure_large"),
    3: ("ten training jobs at once", "training:measure_many"),
    4: ("batch transform of a million rows, and its memory", "transform:measure"),
    5: ("S3: 100 MB and 200 small objects", "storage:measure"),
    6: ("the whole course", "lessons:measure"),
    7: ("from a clean clone to the first plot", "installation:measure"),
    8: ("the model server alone", "serving:measure"),
    9: ("InvokeEndpoint through boto3", "invocation:measure"),
    10: ("deploying an endpoint", "deployment:measure"),
    11: ("a tuning job of 20 training jobs, 3 at a time", "tuning:measure"),
    12: ("the bank-marketing data: trained and scored", "bank_marketing:measure"),
    13: ("the web app: a page's request down to the endpoint", "web_app:measure"),
}
# Downloads and installs everything, twice: only if it is asked for by its number.
ON_REQUEST = {7}


def main(arguments: list[str] | None = None) -> int:
    """Measure and show; returns 0 whether the targets are met or not."""
    lines = "\n".join(f"  {number:2} {what}" for number, (what, _) in LINES.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"Measure ours next to a floor or a peer:\n{lines}",
        epilog="All but 7, which downloads everything, if none is named.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("numbers", nargs="*", type=int, metavar="NUMBER")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small sizes, to see that the code runs; the ratios mean nothing then",
    )
    options = parser.parse_args(arguments)
    unknown = set(options.numbers) - set(LINES)
    if unknown:
        parser.error(f"there is no line {min(unknown)}")
    numbers = options.numbers or sorted(set(LINES) - ON_REQUEST)
    seal()
    console = make_console(width=180)

    def say(text: str) -> None:
        say_on(console, text)

    say(machine())
    figures: list[Figure] = []
    try:
        for number in numbers:
            say(f"({number}) {LINES[number][0]} ...")
            found = measuring(number)(Run(options.quick, say))
            for figure in found:
                say(figure.plain())
            figures += found
    finally:
        # What was measured before an error or Ctrl-C is shown all the same.
        if console.is_terminal and figures:
            console.print(table(figures, console.width))
    missed = [figure for figure in figures if figure.met is False]
    say(f"{len(figures)} figures, {len(missed)} of them miss their target.")
    return 0


def measuring(number: int) -> Callable[[Run], list[Figure]]:
    """The function behind a line's number."""
    module, _, function = LINES[number][1].partition(":")
    return getattr(import_module(f"benchmarks.{module}"), function)


def seal() -> None:
    """Let nothing in this process' environment lead a client elsewhere."""
    for name in list(os.environ):
        if name.upper().startswith(FOREIGN_PREFIXES):
            del os.environ[name]
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["AWS_CONFIG_FILE"] = os.devnull
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = f"{HOST},localhost"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        sys.exit(130)
