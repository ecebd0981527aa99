"""The course's commands: `python -m course COMMAND`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

# What add_subparsers returns.
Commands = argparse._SubParsersAction


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit code.

    0 is success, 1 something that was checked or run is wrong, 2 the command could not
    be carried out, 130 interrupted.
    """
    parser = argparse.ArgumentParser(prog="python -m course", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in COMMANDS:
        add(commands)
    arguments = sys.argv[1:] if arguments is None else arguments
    for_jupyter: list[str] = []
    if arguments[:1] == ["lab"] and "--" in arguments:
        end = arguments.index("--")
        arguments, for_jupyter = arguments[:end], arguments[end + 1 :]
    options = parser.parse_args(arguments, argparse.Namespace(for_jupyter=for_jupyter))
    try:
        return options.run(options)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


def _add_lessons(
    command: argparse.ArgumentParser,
    text: str = "a lesson's number (01) or file; all lessons if none is given",
) -> None:
    command.add_argument("lessons", nargs="*", metavar="LESSON", help=text)


def _add_workers(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="lessons to run at the same time (default: one for each core, at most 4)",
    )


# The imports stand inside the functions: `install` runs when nothing is installed yet.
def _add_install(commands: Commands) -> None:
    command = commands.add_parser(
        "install", help="make .venv and bring it to the locked packages"
    )
    command.add_argument(
        "--dev", action="store_true", help="with what tests and benchmarks need"
    )
    command.add_argument(
        "--docs", action="store_true", help="and .venv-docs, which makes the pages"
    )
    command.add_argument(
        "--python",
        default="",
        metavar="PYTHON",
        help="make it again if it has another Python than this (default: keep it)",
    )
    command.set_defaults(run=_install)


def _install(options: argparse.Namespace) -> int:
    from course import install

    return _set_up(
        install.install, dev=options.dev, docs=options.docs, python=options.python
    )


def _add_lock(commands: Commands) -> None:
    command = commands.add_parser("lock", help="resolve the requirements again")
    command.add_argument("--upgrade", action="store_true", help="take newer versions")
    command.set_defaults(run=_lock)


def _lock(options: argparse.Namespace) -> int:
    from course import install

    return _set_up(install.lock, upgrade=options.upgrade)


def _add_zip(commands: Commands) -> None:
    command = commands.add_parser(
        "zip", help="pack the course into one file, to be uploaded or handed on"
    )
    command.set_defaults(run=_zip)


def _zip(options: argparse.Namespace) -> int:
    from course.archive import make_zip, tell

    print(tell(make_zip()))
    return 0


def _add_clean(commands: Commands) -> None:
    command = commands.add_parser("clean", help="delete build/ and caches")
    command.set_defaults(run=_clean)


def _clean(options: argparse.Namespace) -> int:
    from course import install

    install.clean()
    return 0


def _set_up(action: Callable[..., None], **options: object) -> int:
    from course.install import SetupError
    from local_aws.terminal import say

    try:
        action(**options)
    except SetupError as error:
        say(str(error), file=sys.stderr)
        return 2
    return 0


def _add_run(commands: Commands) -> None:
    command = commands.add_parser("run", help="run lessons and build their pages")
    _add_lessons(command)
    _add_workers(command)
    command.add_argument(
        "--no-pages", action="store_true", help="leave executed notebooks only"
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from course.runner import run_lessons

    return _told(
        run_lessons,
        options.lessons,
        workers=options.workers,
        pages=not options.no_pages,
    )


def _add_site(commands: Commands) -> None:
    command = commands.add_parser(
        "site", help="make the pages of the stored notebooks, without running them"
    )
    command.set_defaults(run=_site)


def _site(options: argparse.Namespace) -> int:
    return _told(_make_site)


def _make_site() -> int:
    from course.site import BUILD, NoSite, build_site
    from course.writable import require_writable
    from local_aws.terminal import say

    require_writable(BUILD)
    try:
        page = build_site()
    except NoSite as error:
        say(str(error), file=sys.stderr)
        return 2
    say(f"Read the lessons: {os.path.relpath(page)}")
    return 0


def _add_lab(commands: Commands) -> None:
    command = commands.add_parser(
        "lab", help="open your own copies of the lessons in JupyterLab"
    )
    command.add_argument(
        "lesson", nargs="?", metavar="LESSON", help="the one to open (default: 00)"
    )
    command.epilog = (
        "What follows -- is given to JupyterLab: -- --no-browser --port=9000"
    )
    command.set_defaults(run=_lab)


def _lab(options: argparse.Namespace) -> int:
    from course.lab import open_lab

    return open_lab(options.lesson, options.for_jupyter)


def _add_restore(commands: Commands) -> None:
    command = commands.add_parser(
        "restore",
        help="bring your copies of a lesson and its exercises back to the first state",
    )
    _add_lessons(command, "a lesson's number (03)")
    command.set_defaults(run=_restore)


def _restore(options: argparse.Namespace) -> int:
    from course.lab import restore

    return _told(restore, options.lessons)


def _add_outputs(commands: Commands) -> None:
    command = commands.add_parser(
        "outputs", help="run lessons and store their outputs in notebooks/"
    )
    _add_lessons(command)
    _add_workers(command)
    command.set_defaults(run=_outputs)


def _outputs(options: argparse.Namespace) -> int:
    from course.diagrams import NotDrawn, write_result
    from course.outputs import store_lessons
    from local_aws.terminal import say

    code = _told(store_lessons, options.lessons, workers=options.workers)
    if code == 2:
        return code
    try:
        write_result()
    except NotDrawn as error:
        say(str(error), file=sys.stderr)
        return 1
    return code


def _add_exercises(commands: Commands) -> None:
    command = commands.add_parser(
        "exercises", help="make the students' copies and prove that all checks work"
    )
    _add_lessons(command)
    _add_workers(command)
    command.set_defaults(run=_exercises)


def _exercises(options: argparse.Namespace) -> int:
    from course.exercise_proofs import prove_exercises

    return _told(prove_exercises, options.lessons, workers=options.workers)


def _told(action: Callable[..., int], *arguments: object, **options: object) -> int:
    """Carry out what writes and needs the stand-in; say what keeps it from that."""
    from course.terminal import make_console, say
    from course.writable import NotWritable
    from local_aws.installation import InstallationError
    from local_aws.lifetime import NotStarted

    try:
        return action(*arguments, **options)
    except (NotWritable, InstallationError, NotStarted) as error:
        say(make_console(), str(error))
        return 2


def _add_cleanup(commands: Commands) -> None:
    command = commands.add_parser(
        "cleanup",
        help="find and remove what runs of lessons and exercises have left",
        description="With a RUN_ID: show everything that this run of a lesson or an "
        "exercise made and what it costs per day; ask; then remove it, on AWS or on "
        "the stand-in. Without: show that of all runs, and remove it only with "
        "--delete. Stop the notebooks' kernels first. Exit code: 0 nothing is left, "
        "or it was only to be shown, 1 something is, 2 not everything could be looked "
        "for, 3 there is nothing of this RUN_ID.",
    )
    command.add_argument(
        "run_id",
        metavar="RUN_ID",
        nargs="?",
        help='what the notebook printed after "Run id:" (default: all runs)',
    )
    command.add_argument(
        "--delete",
        action=argparse.BooleanOptionalAction,
        help="remove it, after asking (default: with a RUN_ID only)",
    )
    command.add_argument("--yes", action="store_true", help="remove without asking")
    command.add_argument(
        "--regions",
        metavar="REGION,REGION",
        type=lambda text: [name for name in text.split(",") if name],
        default=[],
        help="where to look, separated by commas (default: your own Region)",
    )
    command.add_argument(
        "--runs-on",
        choices=("auto", "local", "aws"),
        default="auto",
        help="where the run was, if runs_on in the notebook said it (default: as a "
        "notebook finds out by itself)",
    )
    command.set_defaults(run=_cleanup)


def _cleanup(options: argparse.Namespace) -> int:
    from course.cleanup import clean_up

    return clean_up(
        options.run_id,
        runs_on=options.runs_on,
        yes=options.yes,
        delete=options.delete,
        regions=options.regions,
    )


def _add_migrate(commands: Commands) -> None:
    command = commands.add_parser(
        "migrate",
        help="list the old spellings of the SageMaker SDK in your notebooks",
        description="List where notebooks or Python files are written for version 1 or "
        "2 of the SageMaker Python SDK, and what is written today, with v3 and with "
        "boto3. Nothing is changed or run. Cells are counted from the top, texts "
        "included. Exit code: 0 nothing old was found, 1 something was, 2 a file could "
        "not be read.",
    )
    command.add_argument(
        "files", nargs="+", metavar="FILE", help="a notebook (.ipynb) or a .py file"
    )
    command.set_defaults(run=_migrate)


def _migrate(options: argparse.Namespace) -> int:
    from course.migration.command import migrate

    return migrate(options.files)


def _add_lint(commands: Commands) -> None:
    command = commands.add_parser("lint", help="check the lessons' form")
    _add_lessons(command)
    command.add_argument("--rules", action="store_true", help="list the rules and stop")
    command.set_defaults(run=_lint)


def _lint(options: argparse.Namespace) -> int:
    from course.linter import lint_lessons, rules_table
    from local_aws.terminal import say

    if options.rules:
        say(rules_table(), indent=6)
        return 0
    return lint_lessons(options.lessons)


def _add_diagrams(commands: Commands) -> None:
    command = commands.add_parser(
        "diagrams", help="draw the lessons' diagrams into notebooks/images/"
    )
    command.set_defaults(run=_diagrams)


def _diagrams(options: argparse.Namespace) -> int:
    from course.diagrams import draw_all

    return draw_all()


def _add_screenshot(commands: Commands) -> None:
    command = commands.add_parser(
        "screenshot",
        help="run lesson 11 and make its picture of the web page, in Chromium",
    )
    command.set_defaults(run=_screenshot)


def _screenshot(options: argparse.Namespace) -> int:
    from course.screenshot import take_screenshot

    return take_screenshot()


# In the order in which help lists them.
COMMANDS = (
    _add_install,
    _add_run,
    _add_site,
    _add_lab,
    _add_restore,
    _add_outputs,
    _add_exercises,
    _add_lint,
    _add_diagrams,
    _add_screenshot,
    _add_cleanup,
    _add_migrate,
    _add_lock,
    _add_zip,
    _add_clean,
)


if __name__ == "__main__":
    sys.exit(main())
