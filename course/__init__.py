"""What stands behind `make`: installing, running, storing and checking the lessons.

`python -m course --help` lists the commands. The course's own code (`utils`, the
lessons, `local_aws`) never imports this package.
"""

import sys

# Any Python can read as far as here; the modules that follow, an old one can't.
if sys.version_info < (3, 11):  # noqa: UP036
    from course.pythons import leave_to_a_newer_one

    leave_to_a_newer_one(sys.argv)
