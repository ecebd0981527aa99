"""The crash test at length: python tests/crash_run.py --kills 200 (see crash/)."""

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from crash.run import run


def main() -> int:
    """Run; returns 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--workers", type=int, default=1, help="of each kind of actor")
    parser.add_argument("--home", type=Path, help="kept; else a temporary folder")
    options = parser.parse_args()
    seed = random.randrange(2**32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    home = options.home or Path(tempfile.mkdtemp(prefix="la-crash-")).resolve()
    report = run(
        home,
        options.kills,
        seed,
        options.workers,
        tell=lambda line: print(line, flush=True),
    )
    for problem in report.problems:
        print(f"LOST: {problem}")
    print(
        f"{report.kills} kills, {report.operations} operations acknowledged, "
        f"{len(report.problems)} problems; seed {seed}"
    )
    if report.problems:
        print(f"The state folder is {home}.")
        return 1
    if options.home is None:
        shutil.rmtree(home, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
