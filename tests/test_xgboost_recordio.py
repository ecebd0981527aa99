"""RecordIO with protobuf records: against bytes put together by hand, and itself."""

import io
import struct
import subprocess
import sys

import numpy as np
import pytest
from scipy.sparse import csr_matrix, vstack

from local_aws.containers import recordio
from local_aws.containers.recordio import NotRecordIO

# Bytes by hand --------------------------------------------------------------------
# The wire format of protobuf (its page "Encoding"): a field is a key (number << 3 |
# kind) and a value; kind 2 is a length and that many bytes.


def varint(number):
    text = b""
    while number > 127:
        text += bytes([number & 127 | 128])
        number >>= 7
    return text + bytes([number])


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


TENSOR_FIELDS = {"f": 2, "d": 3, "i": 7}


def tensor(kind, values, keys=(), shape=()):
    """A Value: floats f, doubles d or integers i."""
    if kind == "i":
        packed = b"".join(varint(value % 2**64) for value in values)
    else:
        packed = struct.pack(f"<{len(values)}{kind}", *values)
    content = field(1, packed) if len(values) else b""
    for number, whole in ((2, keys), (3, shape)):
        if whole:
            content += field(number, b"".join(map(varint, whole)))
    return field(TENSOR_FIELDS[kind], content)


def record(features=None, label=None, name=b"values", **texts):
    content = b""
    for number, value in ((1, features), (2, label)):
        if value is not None:
            content += field(number, field(1, name) + field(2, value))
    for number, key in ((3, "uid"), (4, "metadata")):
        if key in texts:
            content += field(number, texts[key].encode())
    return content


def framed(*records):
    return b"".join(
        struct.pack("<II", 0xCED7230A, len(text)) + text + bytes(-len(text) % 4)
        for text in records
    )


def read(data, **options):
    return list(recordio.read(io.BytesIO(data), **options))


def read_all(data):
    return recordio.read_all(io.BytesIO(data))


def written(features, labels=None):
    stream = io.BytesIO()
    recordio.write(stream, features, labels)
    return stream.getvalue()


def dense(features):
    return features if isinstance(features, np.ndarray) else features.toarray()


@pytest.mark.parametrize("kind", ["f", "d", "i"])
@pytest.mark.parametrize("rows", [1, 3, 4, 50])
def test_dense_records(kind, rows):
    values = np.arange(rows * 3).reshape(rows, 3) - 4
    data = framed(
        *[record(tensor(kind, row), tensor("f", row[:1])) for row in values.tolist()]
    )
    tables = read(data)
    assert {table.features.dtype for table in tables} == {np.dtype(kind)}
    found = read_all(data)
    np.testing.assert_array_equal(found.features, values)
    np.testing.assert_array_equal(found.labels, values[:, 0])
    assert found.features.dtype == found.labels.dtype == np.float32


@pytest.mark.parametrize("kind", ["f", "d"])
@pytest.mark.parametrize("with_labels", [True, False])
def test_what_is_written_are_the_bytes_by_hand(kind, with_labels):
    values = np.random.default_rng(0).normal(size=(20, 5)).astype(kind)
    rows = values.tolist()
    expected = framed(
        *[
            record(tensor(kind, row), tensor("d", row[:1]) if with_labels else None)
            for row in rows
        ]
    )
    labels = values[:, 0].astype(float) if with_labels else None
    assert written(values, labels) == expected


def test_sparse_records():
    data = framed(
        record(tensor("f", [1.5, -2], keys=[0, 300], shape=[400]), tensor("f", [1])),
        record(tensor("d", [7], keys=[2], shape=[400]), tensor("f", [0])),
    )
    expected = np.zeros((2, 400))
    expected[0, [0, 300]] = 1.5, -2
    expected[1, 2] = 7
    found = read_all(data)
    assert found.features.nnz == 3
    np.testing.assert_array_equal(found.features.toarray(), expected)
    assert found.labels.tolist() == [1, 0]
    without_shape = framed(record(tensor("i", [5], keys=[9])))
    assert read_all(without_shape).features.shape == (1, 10)


EMPTY = record(tensor("f", [], shape=[4]), tensor("f", [5]))
SPARSE = record(tensor("f", [7], keys=[2], shape=[4]), tensor("f", [1]))


@pytest.mark.parametrize(
    "records",
    [
        [SPARSE, EMPTY],
        [SPARSE, SPARSE, EMPTY, SPARSE],
        [EMPTY, EMPTY, SPARSE, EMPTY],
        [SPARSE, record(tensor("f", [], shape=[400]))],
        [record(tensor("f", [1, 2, 3])), SPARSE],
        [SPARSE, record(tensor("f", [7], keys=[2]))],
        [record(tensor("f", [1, 2, 3])), EMPTY],
        [record(tensor("f", [1, 2])), record(tensor("f", [3]))],
        [EMPTY, record(tensor("f", [3]))],
    ],
)
@pytest.mark.parametrize("block_bytes", [1, 10**6])
def test_rows_that_do_not_fit(records, block_bytes):
    """A record without entries stands for no columns; numpy and scipy say the rest."""
    features = []
    for text in records:
        tables = read(framed(text))
        features.append(tables[0].features)
    sparse = not all(isinstance(part, np.ndarray) for part in features)
    with pytest.raises(ValueError, match="dimension") as expected:
        vstack(features) if sparse else np.vstack(features)
    with pytest.raises(ValueError, match="dimension") as error:
        recordio.join(recordio.read(io.BytesIO(framed(*records)), block_bytes))
    assert str(error.value) == str(expected.value)


@pytest.mark.parametrize("block_bytes", [1, 10**6])
def test_rows_without_entries_before_all_others(block_bytes):
    data = framed(EMPTY, EMPTY, SPARSE, SPARSE)
    found = recordio.join(recordio.read(io.BytesIO(data), block_bytes))
    assert found.features.toarray().tolist() == [[0] * 4] * 2 + [[0, 0, 7, 0]] * 2
    assert found.labels.tolist() == [5, 5, 1, 1]


def test_sparse_and_dense_rows_in_one_file():
    data = framed(
        record(tensor("f", [1, 0]), tensor("f", [1])),
        record(tensor("f", [3], keys=[1], shape=[2]), tensor("f", [2])),
        *[record(tensor("f", [4, 5]), tensor("f", [3]))] * 6,
    )
    found = read_all(data)
    assert found.features.toarray().tolist() == [[1, 0], [0, 3], *[[4, 5]] * 6]
    # The zero of a dense row among sparse ones is a gap as theirs are.
    assert found.features.nnz == 1 + 1 + 12
    assert found.labels.tolist() == [1, 2, *[3] * 6]


@pytest.mark.parametrize("block_bytes", [1, 1000, 10**6])
def test_any_size_of_the_blocks_gives_the_same_rows(block_bytes):
    generator = np.random.default_rng(1)
    parts, rows = [], []
    for number in range(300):
        row = generator.normal(size=4).astype(np.float32)
        same_length = {"uid": f"{number:06}"} if 100 <= number < 200 else {}
        parts.append(record(tensor("f", row), tensor("f", [number]), **same_length))
        rows.append(row)
    tables = read(framed(*parts), block_bytes=block_bytes)
    np.testing.assert_array_equal(np.concatenate([t.features for t in tables]), rows)
    labels = np.concatenate([table.labels for table in tables])
    assert labels.tolist() == list(range(300))
    assert (len(tables) == 300, len(tables) == 1) == (
        block_bytes == 1,
        block_bytes > 1e5,
    )


def test_records_without_features_are_passed_over():
    data = framed(
        record(None, tensor("f", [1])),
        record(tensor("f", [5]), tensor("f", [2]), name=b"other"),
        record(field(9, field(1, b"binary")), tensor("f", [3])),
        record(tensor("f", [6]), tensor("f", [4]), metadata="m"),
    )
    found = read_all(data)
    assert (found.features.tolist(), found.labels.tolist()) == ([[6]], [4])


def test_bytes_too_few_for_a_frame_are_passed_over():
    data = framed(record(tensor("f", [1])))
    assert read_all(data + b"1234567").features.tolist() == [[1]]


WHOLE = framed(*[record(tensor("f", [n, n]), tensor("f", [n])) for n in range(10)])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "No records found in RecordIO-Protobuf data"),
        (framed(record()), "No records found in RecordIO-Protobuf data"),
        (b"1,2,3\n4,5,6\n", "Invalid RecordIO magic at offset 0"),
        (
            WHOLE + b"x" * 8,
            f"Invalid RecordIO magic at offset {len(WHOLE)}",
        ),
        (WHOLE[:-1], f"Truncated record at offset {9 * len(WHOLE) // 10 + 8}"),
        (framed(b"\xff\xff"), "No record at offset 8: "),
        (
            framed(record(tensor("f", [1, 2], keys=[1], shape=[3]))),
            "A sparse record has 1 keys and 2 values",
        ),
        (
            framed(record(tensor("f", [1], keys=[3], shape=[3]))),
            "A sparse record has a key beyond its shape of 3",
        ),
    ],
)
@pytest.mark.parametrize("block_bytes", [20, 10**6])
def test_what_is_no_recordio(data, text, block_bytes):
    with pytest.raises(NotRecordIO) as error:
        recordio.join(recordio.read(io.BytesIO(data), block_bytes))
    assert str(error.value).startswith(text)


def test_garbage_is_refused_and_nothing_else_happens():
    generator = np.random.default_rng(3)
    refused = 0
    for _ in range(300):
        data = bytearray(WHOLE)
        for place in generator.integers(0, len(data), 3):
            data[place] = generator.integers(0, 256)
        try:
            read_all(bytes(data))
        except ValueError:
            refused += 1
    assert 0 < refused < 300


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
@pytest.mark.parametrize("kind", [np.asarray, csr_matrix])
def test_what_is_written_is_read(kind, dtype):
    generator = np.random.default_rng(4)
    values = generator.integers(-9, 9, (30, 6)) * (generator.random((30, 6)) < 0.4)
    values[:, 2] = 1  # an empty sparse record can't be read
    labels = generator.normal(size=(30, 2))
    data = written(kind(values.astype(dtype)), labels)
    found = read_all(data)
    np.testing.assert_array_equal(dense(found.features), values)
    np.testing.assert_array_equal(found.labels, labels.astype("f4").ravel())


def test_special_numbers_and_strided_arrays_survive():
    values = np.array([[np.nan, np.inf, -0.0, 1e-45], [1, 2, 3, 4]] * 5, dtype="f4")
    found = read_all(written(values[:, ::-1], values[:, 1]))
    np.testing.assert_array_equal(found.features, values[:, ::-1])
    assert np.signbit(found.features[0, 1])


def test_what_can_not_be_written():
    with pytest.raises(TypeError, match="Numbers of type int64 can't be written"):
        written(np.ones((2, 2), dtype=np.int64))
    with pytest.raises(ValueError, match="2 rows have 3 labels"):
        written(np.ones((2, 2)), np.ones(3))
    assert written(np.ones((0, 3), dtype="f4")) == b""


def test_labels_with_names():
    stream = io.BytesIO()
    recordio.write_labels(stream, {"score": 0.5, "probabilities": [0.25, 0.75]})
    parts = [(b"probabilities", [0.25, 0.75]), (b"score", [0.5])]
    expected = b"".join(
        record(None, tensor("f", numbers), name=name) for name, numbers in parts
    )
    assert stream.getvalue() == framed(expected)


def test_scipy_is_not_imported_for_dense_data():
    code = (
        "import sys, io, numpy as np; from local_aws.containers import recordio\n"
        "s = io.BytesIO(); recordio.write(s, np.ones((9, 2)), np.ones(9)); s.seek(0)\n"
        "recordio.read_all(s); print({'scipy', 'xgboost'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
