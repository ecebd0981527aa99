"""utils/recordio.py against the stand-in's reader, the SDK's and known bytes."""

import io

import numpy as np
import pytest
from sagemaker.core.serializers.utils import read_recordio

from local_aws.containers import recordio as container
from utils import recordio

# So wide that the length of a record is no multiple of four, and has to be filled up.
ROWS = np.linspace(-3e6, 1, 3 * 31, dtype=np.float32).reshape(3, 31)


def _written(*arguments) -> io.BytesIO:
    file = io.BytesIO()
    recordio.write_records(file, *arguments)
    file.seek(0)
    return file


def test_a_record_has_the_documented_bytes():
    """Written out by hand: frame, then field 1 and field 2 of the record, each a map's
    entry with the key "values" and a Value with field 2, packed 32 bit floats.
    """
    content = bytes.fromhex(
        "0a12 0a06 76616c756573 1208 1206 0a04 0000c03f"
        "1212 0a06 76616c756573 1208 1206 0a04 0000803f"
    )
    frame = bytes.fromhex("0a23d7ce 28000000") + content
    assert _written(np.array([[1.5]]), [1]).read() == frame


@pytest.mark.parametrize("labels", [None, [0, 1, 1]], ids=["unlabelled", "labelled"])
def test_the_container_reads_what_is_written(labels):
    table = container.read_all(_written(ROWS, labels))
    assert table.features.tolist() == ROWS.tolist()
    assert (table.labels if labels is None else table.labels.tolist()) == labels


def test_the_sdk_finds_the_same_frames():
    records = list(recordio.read_records(_written(ROWS, [1, 0, 1])))
    framed = list(read_recordio(_written(ROWS, [1, 0, 1])))
    assert [record.SerializeToString() for record in records] == framed


def test_a_response_is_read():
    """As an algorithm writes it: labels under names of their own."""
    file = io.BytesIO()
    container.write_labels(file, {"score": 0.25, "predicted_label": 1.0})
    container.write_labels(file, {"score": 0.125, "predicted_label": 0.0})
    file.seek(0)
    scores = [
        record.label["score"].float32_tensor.values[0]
        for record in recordio.read_records(file)
    ]
    assert scores == [0.25, 0.125]


def test_sparse_and_wide_numbers_are_read():
    from scipy.sparse import csr_matrix

    file = io.BytesIO()
    container.write(file, csr_matrix(np.array([[0, 2.5]])), np.array([7.0]))
    file.seek(0)
    (record,) = recordio.read_records(file)
    tensor = record.features["values"].float64_tensor
    assert (list(tensor.values), list(tensor.keys)) == ([2.5], [1])
    assert list(tensor.shape) == [2]


@pytest.mark.parametrize(
    "cut", [slice(1, None), slice(0, 6), slice(0, -8)], ids=["shifted", "header", "end"]
)
def test_what_is_no_recordio_is_told(cut):
    content = _written(ROWS).read()[cut]
    with pytest.raises(ValueError, match=r"RecordIO|cut off"):
        list(recordio.read_records(io.BytesIO(content)))


def test_csv_is_no_recordio():
    with pytest.raises(ValueError, match="no RecordIO"):
        list(recordio.read_records(io.BytesIO(b"1,0.5,-2,3000000\n")))


@pytest.mark.parametrize(
    ("features", "labels"), [(ROWS, [1, 0]), (ROWS[0], None)], ids=["labels", "shape"]
)
def test_tables_that_do_not_fit_are_refused(features, labels):
    with pytest.raises(ValueError, match=r"labels|shape"):
        _written(features, labels)


def test_formats_are_compared_by_what_they_write():
    zeros, decimals = np.zeros((10, 31)), np.full((10, 31), 1 / 3)
    sizes = recordio.compare_with_csv({"zeros": zeros, "thirds": decimals})["megabytes"]
    assert sizes["zeros, csv"] == pytest.approx(10 * 31 * len("0.0,") / 1e6)
    assert sizes["zeros, RecordIO"] == sizes["thirds, RecordIO"]
    assert sizes["zeros, RecordIO"] * 1e6 == len(_written(zeros).read())
    assert sizes["thirds, csv"] > sizes["thirds, RecordIO"]
