"""For scripts that import it and use nothing of it."""
