"""How fast the course and its stand-in are, next to what is possible: `make bench`.

Each line measures ours and a floor (the same work with nothing around it) or a peer in
the same run, in turns, and gives the ratio of the medians. Absolute figures differ from
machine to machine and from hour to hour; the ratios are what to quote.
"""
