"""The part of the toolkit that scripts import."""
