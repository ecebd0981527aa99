"""The job engine: it runs containers for training and transform jobs.

It reaches S3, CloudWatch Logs and CloudWatch through the same address that the
course's notebooks use, and knows nothing of any algorithm.
"""
