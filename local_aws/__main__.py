"""The command line: serve, run a command, show the state or remove it."""

import argparse
import os
import sys

from local_aws.installation import InstallationError, require_posix
from local_aws.lifetime import REFUSAL, NotStarted
from local_aws.terminal import say

COMMAND_NOT_FOUND = 127  # as a shell says it
COMMAND_NOT_EXECUTABLE = 126
INTERRUPTED = 130

DESCRIPTION = """\
A stand-in for AWS on this machine. Without a command it serves in the foreground
until Ctrl-C. State is kept in $LOCAL_AWS_HOME, by default .local_aws in the checkout.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m local_aws",
        description=DESCRIPTION,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve (what is done without a command)")
    serve.add_argument(
        "--until-unused",
        action="store_true",
        help="end when the last user has gone, instead of on Ctrl-C",
    )
    run = commands.add_parser(
        "exec", help="run a command against the stand-in, started if none runs"
    )
    run.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")
    commands.add_parser(
        "status", help="say whether it runs, who uses it, and what is in its state"
    )
    empty = commands.add_parser(
        "reset", help="remove all state: objects, jobs, models, roles, log lines"
    )
    empty.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args(arguments)
    try:
        require_posix()
        if options.command == "exec":
            words = options.words
            if words[:1] == ["--"]:
                words = words[1:]
            if not words:
                run.error("which command? python -m local_aws exec -- COMMAND ...")
            return execute(words)
        if options.command == "status":
            from local_aws.maintenance import print_status

            return print_status()
        if options.command == "reset":
            from local_aws.maintenance import reset

            return reset(without_asking=options.yes)
        from local_aws.server import serve as serve_now

        return serve_now(until_unused=getattr(options, "until_unused", False))
    except (InstallationError, NotStarted) as error:
        say(f"{REFUSAL}{error}", indent=4, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def execute(words: list[str]) -> int:
    """Become the command `words`, with the stand-in running and reachable.

    The command replaces this process, so its exit code, its signals and its terminal
    are its own. It inherits the lock that counts it as a user, and so the stand-in
    runs for as long as the command or a child that it left behind does. Returns only
    on failure: 127 (no such command) or 126 (can't be run).
    """
    from local_aws import lifetime

    environment = lifetime.join()
    # The AWS CLI and jupyter that came with this Python, be it activated or not.
    programs = os.path.dirname(sys.executable)
    environment["PATH"] = f"{programs}{os.pathsep}{environment.get('PATH', os.defpath)}"
    lifetime.pass_on_to_command()
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvpe(words[0], words, environment)  # noqa: S606 - no shell on purpose
    except (FileNotFoundError, NotADirectoryError):
        print(f"local_aws: {words[0]}: command not found", file=sys.stderr)
        return COMMAND_NOT_FOUND
    except OSError as error:
        print(f"local_aws: {words[0]}: {error.strerror}", file=sys.stderr)
        return COMMAND_NOT_EXECUTABLE


if __name__ == "__main__":
    sys.exit(main())
