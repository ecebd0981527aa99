"""Scripts of the user's own behind endpoints and in batch transform."""

import importlib.util
import io
import json
import subprocess
import sys
import textwrap
import zipfile

import boston
import numpy as np
import pytest
from botocore.exceptions import ClientError
from conftest import start_stand_in
from script_models import IN_THE_MODEL, ScriptModels

from course.stand_in import stop_stand_in
from local_aws.containers.script_mode import sources, worker_main

# It does what a call asks for.
SCRIPT = """
    import json, os, shutil, sys, tempfile, threading, time
    import numpy as np
    from sagemaker_containers.beta.framework import encoders, worker

    def model_fn(model_dir):
        return {"folder": model_dir, "files": sorted(os.listdir(model_dir))}

    def input_fn(body, content_type):
        return json.loads(body)

    def predict_fn(wanted, model):
        kind = wanted["kind"]
        if kind == "loop":
            while True:
                pass
        if kind == "exit":
            sys.exit(3)
        if kind == "error":
            raise ValueError("no such kïnd")
        if kind == "print":
            print("x" * 3_000_000)
            return "printed"
        if kind == "state":
            os.chdir("/")
            threading.Thread(target=time.sleep, args=(600,)).start()
            return threading.current_thread() is threading.main_thread()
        if kind == "caller":
            import boto3
            return boto3.client("sts").get_caller_identity()["Arn"]
        if kind == "libraries":
            # Harmless should it reach the machine's: no file, and the mode it has.
            libraries = tempfile.mkdtemp()
            shutil.copymode("/lib", libraries)
            return str(shutil.copytree(libraries, "/lib", dirs_exist_ok=True))
        if kind == "model":
            return model
        if kind == "environment":
            return {
                "folder": os.environ["SM_MODEL_DIR"],
                "mine": os.environ.get("MINE"),
                "modules": [name for name in sys.modules if name == "utils"],
            }
        return kind

    def output_fn(prediction, accept):
        returned = {
            "tuple": ("1,2", "text/csv"),
            "bytes": bytes([255, 0]),
            "str": "text",
            "dict": {"a": 1},
            "array": np.arange(3),
            "nothing": None,
            "response": worker.Response(
                encoders.encode(np.array([[1, 2]]), "text/csv"),
                mimetype="text/csv",
                headers={"X-Amzn-SageMaker-Custom-Attributes": "mine"},
            ),
            "refusal": worker.Response("not like this", status=422),
        }
        if isinstance(prediction, str) and prediction in returned:
            return returned[prediction]
        return json.dumps(prediction), accept
"""


def written(text):
    return textwrap.dedent(text)


@pytest.fixture(scope="module")
def models(stand_in):
    bucket = f"sagemaker-{boston.name('scripts')}"
    stand_in.client("s3").create_bucket(Bucket=bucket)
    return ScriptModels(stand_in, bucket)


@pytest.fixture(scope="module")
def endpoint(models):
    """An endpoint of SCRIPT."""
    return models.serve(
        {"weights.txt": "1", "code/inference.py": written(SCRIPT)},
        {**IN_THE_MODEL, "MINE": "/opt/ml/x"},
    )


def refusal(models, endpoint, **question):
    with pytest.raises(ClientError) as told:
        models.ask(endpoint, **question)
    return told.value.response


def test_what_a_script_returns_is_what_a_client_gets(models, endpoint):
    def call(kind):
        return models.invoke(endpoint, json.dumps({"kind": kind}))

    html = "text/html; charset=utf-8"
    assert call("tuple") == (b"1,2", "text/csv; charset=utf-8")
    assert call("bytes") == (b"\xff\x00", html)
    assert call("str") == (b"text", html)
    assert call("dict") == (b'{"a":1}\n', "application/json")
    assert call("response") == (b"1,2\n", "text/csv; charset=utf-8")
    assert call("state") == (b"true", "application/json")
    assert call("print") == (b'"printed"', "application/json")
    response = models.runtime.invoke_endpoint(
        EndpointName=endpoint, Body=b'{"kind": "response"}'
    )
    assert response["CustomAttributes"] == "mine"
    for kind in ("array", "nothing"):
        assert refusal(models, endpoint, kind=kind)["OriginalStatusCode"] == 500
    refused = refusal(models, endpoint, kind="refusal")
    assert refused["OriginalStatusCode"] == 422
    assert refused["OriginalMessage"] == "not like this"
    models.log(
        endpoint,
        "but it was a ndarray",
        "returned None or ended without a return statement",
    )


def test_a_script_runs_as_its_role_in_a_place_of_its_own(models, endpoint):
    files = ["code", "weights.txt"]
    model = models.ask(endpoint, kind="model")
    assert model["files"] == files
    found = models.ask(endpoint, kind="environment")
    assert found["folder"] == model["folder"]
    assert found["mine"] == model["folder"].replace("/model", "/x")
    assert found["modules"] == []
    # The SDK's script for an `inference_spec` copies to /lib.
    libraries = models.ask(endpoint, kind="libraries")
    assert libraries == model["folder"].replace("/model", "/lib")
    caller = models.ask(endpoint, kind="caller")
    assert caller.endswith(":assumed-role/SageMakerCourse/SageMaker")


def test_an_error_of_a_script_is_in_the_log_and_not_in_the_response(models, endpoint):
    told = refusal(models, endpoint, kind="error")
    assert told["OriginalStatusCode"] == 500
    assert "<title>500 Internal Server Error</title>" in told["OriginalMessage"]
    assert "kïnd" not in told["OriginalMessage"]
    lines = models.log(endpoint, "ValueError: no such kïnd")
    first = max(
        i for i, line in enumerate(lines) if "Exception on /invocations" in line
    )
    assert lines[first].endswith("ERROR - inference - Exception on /invocations [POST]")
    assert lines[first + 1 : first + 5] == [
        "Traceback (most recent call last):",
        '  File "/opt/ml/code/inference.py", line 20, in predict_fn',
        '    raise ValueError("no such kïnd")',
        "ValueError: no such kïnd",
    ]


def test_a_script_that_ends_its_server_is_started_again(models):
    endpoint = models.serve(
        {"code/inference.py": written(SCRIPT)},
        {**IN_THE_MODEL, "SAGEMAKER_MODEL_SERVER_TIMEOUT": "3"},
    )
    for kind, status, line in (
        ("loop", 504, "WORKER TIMEOUT"),
        ("exit", 502, "SystemExit: 3"),
    ):
        assert refusal(models, endpoint, kind=kind)["OriginalStatusCode"] == status
        assert models.ask(endpoint, kind="fine") == "fine"
        models.log(endpoint, line)


DEFAULTS = """
    class Model:
        def predict(self, rows):
            return rows.sum(axis=1)

    def model_fn(model_dir):
        return Model()
"""


def test_without_functions_of_its_own_a_script_has_those_of_the_image(models):
    archive = models.put("sourcedir.tar.gz", {"inference.py": written(DEFAULTS)})
    endpoint = models.serve(
        None,
        {
            "SAGEMAKER_PROGRAM": "inference.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": archive,
            "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv",
        },
    )
    csv = "text/csv; charset=utf-8"
    assert models.invoke(endpoint, "1,2\n3,4\n", "text/csv") == (b"3.0\n7.0\n", csv)
    json_type = "application/json"
    answered = models.invoke(endpoint, "[[1, 2]]", json_type, Accept=json_type)
    assert answered == (b"[3.0]", json_type)
    stream = io.BytesIO()
    np.save(stream, np.array([[1, 2], [3, 4]]))
    npy = "application/x-npy"
    answered = models.invoke(endpoint, stream.getvalue(), npy, Accept=npy)
    assert np.load(io.BytesIO(answered[0])).tolist() == [3, 7]
    # One row of csv has one dimension, as in AWS's image.
    for wrong in (
        {"body": "1,2\n", "content_type": "text/csv"},
        {"body": "x,2\n3,4\n", "content_type": "text/csv"},
        {"body": b"\xff,2\n3,4\n", "content_type": "text/csv"},
        {"body": "1", "content_type": "image/png"},
        {"body": "[[1]]", "content_type": json_type, "Accept": "image/png"},
    ):
        with pytest.raises(ClientError, match=r"server error \(500\)"):
            models.invoke(endpoint, **wrong)
    models.log(endpoint, "Content type image/png is not supported", times=2)


WRONG = {
    "import": ("import nowhere\n", "ModuleNotFoundError: No module named 'nowhere'"),
    "syntax": ("def model_fn(model_dir)\n", "SyntaxError: expected ':'"),
    "no model_fn": ("", "Please provide a model_fn implementation."),
    "exit": ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
    "both": (
        "def input_fn(): pass\ndef transform_fn(): pass\n",
        "ValueError: Cannot use transform_fn implementation with input_fn, predict_fn,",
    ),
    "model_fn": (
        "def model_fn(model_dir):\n    open(model_dir + '/absent')\n",
        '  File "{code}/inference.py", line 2, in model_fn\n',
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_script_that_loads_no_model_ends_and_says_why(case, tmp_path):
    script, reason = WRONG[case]
    toolkits = worker_main._FOLDER / "toolkits"
    code = tmp_path / "code"
    code.mkdir()
    (code / "inference.py").write_text(script)
    done = subprocess.run(
        [
            sys.executable,
            worker_main.__file__,
            "local_aws.containers.scikit_learn.toolkit",
            code,
        ],
        env={
            "PYTHONPATH": str(toolkits),
            "SAGEMAKER_BASE_DIR": str(tmp_path),
            "SAGEMAKER_PROGRAM": "inference.py",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "[ERROR] Error handling request /ping" in done.stderr
    assert reason.format(code=code) in done.stderr
    assert "importlib" not in done.stderr


def test_an_endpoint_whose_script_fails_says_where_to_look(models):
    name, described = models.deploy(
        models.create(
            {"code/inference.py": "def model_fn(path):\n    open('/opt/ml/model/x')\n"}
        )
    )
    assert described["EndpointStatus"] == "Failed"
    assert described["FailureReason"] == (
        "The primary container for production variant Only did not pass the ping "
        "health check. Please check CloudWatch logs for this endpoint."
    )
    models.log(
        name,
        '  File "/opt/ml/code/inference.py", line 2, in model_fn',
        'Use os.environ["SM_MODEL_DIR"]',
    )


def wheel(module, code):
    """A wheel of one module."""
    about = f"{module}-1.0.dist-info"
    members = {
        f"{module}.py": code,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": "",
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, text in members.items():
            file.writestr(name, text)
    return content.getvalue()


REQUIRING = """
    import only_of_the_model

    def model_fn(model_dir):
        return only_of_the_model

    def predict_fn(rows, model):
        return [model.VALUE, model.__file__]

    def output_fn(prediction, accept):
        return prediction
"""


def test_what_a_model_requires_is_installed_for_it_alone_and_lasts(home):
    running = start_stand_in(home)
    try:
        bucket = f"sagemaker-{boston.name('required')}"
        running.client("s3").create_bucket(Bucket=bucket)
        models = ScriptModels(running, bucket)
        name = "only_of_the_model-1.0-py3-none-any.whl"
        archive = models.put(
            "sourcedir.tar.gz",
            {
                "inference.py": written(REQUIRING),
                "requirements.txt": f"./{name}\n",
                name: wheel("only_of_the_model", "VALUE = 7\n"),
            },
        )
        environment = {
            "SAGEMAKER_PROGRAM": "inference.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": archive,
            "PIP_NO_INDEX": "1",
        }
        endpoint = models.serve(None, environment, count=2)
        models.s3.delete_object(Bucket=bucket, Key="sourcedir.tar.gz")
        value, file = json.loads(models.invoke(endpoint, "[]", "application/json")[0])
        assert value == 7
        assert "/.python/lib/" in file
        assert importlib.util.find_spec("only_of_the_model") is None
        log = models.log(endpoint, "Successfully installed")
        assert sum("Successfully installed" in line for line in log) == 1
    finally:
        stop_stand_in(running)
    running = start_stand_in(home)
    try:
        models = ScriptModels(running, bucket)
        value, _ = json.loads(models.invoke(endpoint, "[]", "application/json")[0])
        assert value == 7
    finally:
        stop_stand_in(running)


def test_a_model_whose_requirements_are_not_to_be_had_fails(models):
    name, described = models.deploy(
        models.create(
            {
                "code/inference.py": written(DEFAULTS),
                "code/requirements.txt": "nowhere-to-be-found==9.9\n",
            },
            IN_THE_MODEL | {"PIP_NO_INDEX": "1"},
        )
    )
    assert described["EndpointStatus"] == "Failed"
    models.log(
        name,
        "No matching distribution found for nowhere-to-be-found==9.9",
        "InstallModuleError",
    )


def test_the_script_of_an_inference_spec_finds_the_folder_at_each_start(tmp_path):
    code = tmp_path / "model" / "code"
    code.mkdir(parents=True)
    script = code / "inference.py"
    script.write_text('open("/opt/ml/model/code/serve.pkl")\n')
    sources.translate_own_script_of_the_sdk(code, tmp_path)
    assert script.read_text() == 'open("/opt/ml/model/code/serve.pkl")\n'
    (code / "serve.pkl").touch()
    for name in ("first", "second"):
        root = tmp_path.parent / f"{tmp_path.name}-{name}"
        root.symlink_to(tmp_path)
        sources.translate_own_script_of_the_sdk(root / "model" / "code", root)
        assert script.read_text() == f'open("{root}/model/code/serve.pkl")\n'


ROWS = """
    import json

    def model_fn(model_dir):
        return 10

    def input_fn(body, content_type):
        return [json.loads(line)["x"] for line in body.decode().splitlines()]

    def predict_fn(numbers, model):
        return [model * number for number in numbers]

    def output_fn(prediction, accept):
        of = len(prediction)
        lines = [json.dumps({"y": number, "of": of}) + "\\n" for number in prediction]
        return "".join(lines), accept
"""


def test_batch_transform_runs_a_script_on_json_lines(models):
    model = models.create({"code/inference.py": written(ROWS)})
    key = "rows/rows.jsonl"
    body = b'{"x": 1}\n{"x": 2}\n'
    models.s3.put_object(Bucket=models.bucket, Key=key, Body=body)
    job = boston.name("transform")
    models.sagemaker.create_transform_job(
        TransformJobName=job,
        ModelName=model,
        BatchStrategy="MultiRecord",
        TransformInput={
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": f"s3://{models.bucket}/rows",
                }
            },
            "ContentType": "application/jsonlines",
            "SplitType": "Line",
        },
        TransformOutput={
            "S3OutputPath": f"s3://{models.bucket}/out",
            "Accept": "application/jsonlines",
            "AssembleWith": "Line",
        },
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        DataProcessing={"JoinSource": "Input"},
    )
    described = boston.wait_for_transform(models.sagemaker, job)
    assert described["TransformJobStatus"] == "Completed", described
    output = models.s3.get_object(Bucket=models.bucket, Key="out/rows.jsonl.out")
    assert [json.loads(line) for line in output["Body"].read().splitlines()] == [
        {"x": 1, "SageMakerOutput": {"y": 10, "of": 2}},
        {"x": 2, "SageMakerOutput": {"y": 20, "of": 2}},
    ]


def test_a_model_without_network_has_no_keys(models):
    endpoint = models.serve(
        {"code/inference.py": written(SCRIPT)}, EnableNetworkIsolation=True
    )
    assert refusal(models, endpoint, kind="caller")["OriginalStatusCode"] == 500
    models.log(endpoint, "NoCredentialsError")


@pytest.mark.parametrize("is_isolated", [False, True])
def test_nor_has_it_keys_in_batch_transform(models, is_isolated):
    prefix = boston.name("caller")
    models.s3.put_object(
        Bucket=models.bucket, Key=f"{prefix}/boston/test/1", Body=b'{"kind": "caller"}'
    )
    model = models.create(
        {"code/inference.py": written(SCRIPT)}, EnableNetworkIsolation=is_isolated
    )
    request = boston.transform_request(f"{models.bucket}/{prefix}", prefix, model)
    models.sagemaker.create_transform_job(**request)
    described = boston.wait_for_transform(models.sagemaker, prefix)
    wanted = "Failed" if is_isolated else "Completed"
    assert described["TransformJobStatus"] == wanted
    group = "/aws/sagemaker/TransformJobs"
    lines = boston.log_lines(models.logs, group, f"{prefix}/")
    assert any("NoCredentialsError" in line for line in lines) == is_isolated
