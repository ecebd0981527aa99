"""Endpoints: fleets of serving containers, and the requests that reach them."""
