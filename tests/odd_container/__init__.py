"""A container of somebody else's, whose /ping responds as its environment says."""
