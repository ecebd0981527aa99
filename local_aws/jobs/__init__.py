"""The jobs: what runs for a while, ends by itself and can be stopped.

They reach S3, CloudWatch Logs and CloudWatch through the same address that the
course's notebooks use, and know nothing of any algorithm.
"""
