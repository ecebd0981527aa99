"""The image of scikit-learn: it runs a script of the user's own.

Each of its tags on AWS has its own scikit-learn and Python. Here all are what is
installed beside this package, and the first line of a job's log says which that is.
"""
