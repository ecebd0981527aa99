"""`python -m local_aws.containers.xgboost train` (or `serve`), as an image is run."""

import sys


def main(arguments: list[str]) -> int:
    """Run one of the two programs; returns the process's exit code."""
    # Imported late: serving needs a web server, training does not.
    if arguments == ["train"]:
        from local_aws.containers.xgboost import training

        return training.main()
    if arguments == ["serve"]:
        from local_aws.containers.xgboost import serving

        return serving.main()
    print("usage: python -m local_aws.containers.xgboost train|serve", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
