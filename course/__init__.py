"""What stands behind `make`: installing, running, storing and checking the lessons.

`python -m course --help` lists the commands. The course's own code (`utils`, the
lessons, `local_aws`) never imports this package.
"""
