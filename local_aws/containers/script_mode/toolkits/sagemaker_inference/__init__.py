"""What scripts import of the toolkit in AWS's PyTorch image.

A script that names it is to run unchanged: here are the functions that scripts call,
with what they return.
"""
