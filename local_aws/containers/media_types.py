"""Media types such as `text/csv; label_size=1`."""


def parse(header: str) -> tuple[str, dict[str, str]]:
    """The type in small letters, and its parameters."""
    name, *rest = header.split(";")
    pairs = [part.partition("=") for part in rest]
    parameters = {key.strip(): value.strip(' "') for key, _, value in pairs}
    return name.strip().lower(), parameters
