"""What handlers do with headers."""


def parse_accept(accept: str) -> list[str]:
    """The media types of an Accept header."""
    return accept.replace(" ", "").split(",")
