"""A stand-in for AWS: one loopback address that speaks the AWS protocols.

`python -m local_aws` serves it, `python -m local_aws exec -- COMMAND` runs a
command against it. Nothing is imported here, so that starting stays quick.
"""
