"""A container as a process: its folders, its output, its archives, the way to it.

Jobs and hosting use this room; it knows neither of them.
"""
