"""`python -m local_aws.containers.linear_learner train` (or `serve`)."""

import sys


def main(arguments: list[str]) -> int:
    """Run one of the two programs; returns the process's exit code."""
    # Imported late: serving needs a web server, training does not.
    if arguments == ["train"]:
        from local_aws.containers.linear_learner import training

        return training.main()
    if arguments == ["serve"]:
        from local_aws.containers.linear_learner import serving

        return serving.main()
    program = "python -m local_aws.containers.linear_learner"
    print(f"usage: {program} train|serve", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
