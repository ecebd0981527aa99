"""The course's data, and the small programs that made it."""
