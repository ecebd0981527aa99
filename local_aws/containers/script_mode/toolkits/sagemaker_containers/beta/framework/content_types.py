"""Media types by name."""

JSON = "application/json"
CSV = "text/csv"
OCTET_STREAM = "application/octet-stream"
ANY = "*/*"
NPY = "application/x-npy"

# A body of one of these reaches a script as text.
UTF8_TYPES = [JSON, CSV]
