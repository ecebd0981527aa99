"""Training jobs with a script of the user's own: how they end and what they leave."""

import importlib.util
import json
import os
import re
import signal
import sys
import sysconfig
import tarfile
import time
from importlib.metadata import version
from pathlib import Path

import boston
import psutil
import pytest
from botocore.exceptions import ClientError
from script_jobs import (
    GROUP,
    ScriptJobs,
    paths_of_this_machine,
    source_archive,
    wheel,
)

from course.stand_in import start_stand_in, stop_stand_in
from local_aws.containers.script_mode import sources


@pytest.fixture(scope="module")
def jobs(stand_in):
    return ScriptJobs(stand_in)


@pytest.fixture(scope="module")
def broken(jobs):
    """Jobs that fail, started together: what is wrong to the job's record and lines."""
    no_index = {"PIP_NO_INDEX": "1"}
    wanted = {"train.py": "", "requirements.txt": "no-such-package==1\n"}
    started = {
        "import": jobs.start("import nothing_here"),
        "syntax": jobs.start("def train(:\n"),
        "entry": jobs.start({"other.py": ""}),
        "shell": jobs.start(
            {"train.sh": 'echo "$2"; exit 3\n'},
            "train.sh",
            HyperParameters={"a": '☁ "q"'},
        ),
        "requirements": jobs.start(
            wanted, requirements="requirements.txt", Environment=no_index
        ),
        "old script": jobs.start_as_of_old("raise ValueError('no \"good\" é')"),
        "old entry": jobs.start_as_of_old({"other.py": ""}),
        "old requirements": jobs.start_as_of_old(wanted, Environment=no_index),
        "no script": jobs.start_without_code(),
        "command opt ml": jobs.start(
            {"a.sh": "touch /opt/ml/model/x"}, command="bash a.sh"
        ),
        "opt ml": jobs.start({"train.sh": "touch /opt/ml/model/x"}, "train.sh"),
        "old opt ml": jobs.start_as_of_old({"a.sh": "touch /opt/ml/model/x"}, "a.sh"),
        "old script elsewhere": jobs.start_as_of_old({"other.py": ""}, __file__),
        "old file elsewhere": jobs.start_as_of_old({"train.py": "", "../a.txt": ""}),
    }
    return {what: (jobs.wait(name), jobs.lines(name)) for what, name in started.items()}


OF_THE_DRIVER = (
    r"AlgorithmError: Traceback \(most recent call last\):\n"
    r'  File "/opt/ml/input/data/sm_drivers/common/utils.py", line .*'
    r"\['/usr/local/bin/python3', 'train.py'\]' returned non-zero exit status {0}\.\n"
    r", exit code: {0}"
)


@pytest.mark.parametrize(
    ("what", "reason", "line"),
    [
        (
            "import",
            OF_THE_DRIVER.format(1),
            "ModuleNotFoundError: No module named 'nothing_here'",
        ),
        ("syntax", OF_THE_DRIVER.format(1), "SyntaxError: invalid syntax"),
        (
            "entry",
            OF_THE_DRIVER.format(2),
            "/usr/local/bin/python3: can't open file "
            "'/opt/ml/input/data/code/train.py': [Errno 2] No such file or directory",
        ),
        ("shell", r"AlgorithmError: Traceback .* status 3\.\n, exit code: 3", '☁ "q"'),
        (
            "requirements",
            r"AlgorithmError: Training Execution failed\. For more details, .*",
            "ERROR: No matching distribution found for no-such-package==1",
        ),
        (
            "old script",
            r"AlgorithmError: ExecuteUserScriptError:\nExitCode 1\n"
            r'ErrorMessage "ValueError: no "good" é"\n'
            r'Command "/usr/local/bin/python3 train.py", exit code: 1',
            '  File "/opt/ml/code/train.py", line 1, in <module>',
        ),
        (
            "old entry",
            r"AlgorithmError: The entry point train.py \(.*\) is not in the code: "
            r"s3://.*/sourcedir.tar.gz holds other.py\., exit code: 1",
            "",
        ),
        (
            "old requirements",
            r"AlgorithmError: InstallRequirementsError:\nExitCode 1\nErrorMessage "
            r'"ERROR: Could not find a version that satisfies the requirement .*"\n'
            r'Command "/usr/local/bin/python3 -m pip install -r requirements.txt", .*',
            "ERROR: No matching distribution found for no-such-package==1",
        ),
        (
            "no script",
            r"AlgorithmError: This image runs a script of yours, and the "
            r"hyperparameter sagemaker_program .* is missing\. .*",
            "",
        ),
        (
            "command opt ml",
            r"AlgorithmError: The script names /opt/ml/model/x itself, and .* too",
            "",
        ),
        (
            "opt ml",
            r"AlgorithmError: The script names /opt/ml/model/x itself, and .*",
            "",
        ),
        (
            "old opt ml",
            r"AlgorithmError: The script a\.sh names /opt/ml itself, and .*",
            "",
        ),
        (
            "old script elsewhere",
            r"AlgorithmError: The entry point /.*\.py \(.*\) is not in the code: .*",
            "",
        ),
        (
            "old file elsewhere",
            r"AlgorithmError: The code can't be fetched: \.\./a\.txt would be unpacked "
            r"outside the folder of the code, exit code: 1",
            "",
        ),
    ],
)
def test_a_failure_is_told_as_aws_tells_it(stand_in, broken, what, reason, line):
    described, lines = broken[what]
    assert described["TrainingJobStatus"] == "Failed"
    assert re.fullmatch(reason, described["FailureReason"], re.DOTALL), described
    assert line in lines or not line, lines
    seen = "\n".join([*lines, described["FailureReason"]])
    for path in (*paths_of_this_machine(stand_in.home), "/tmp/sagemaker-"):
        assert path not in seen


def test_an_archive_that_was_cut_off_is_called_damaged(tmp_path):
    archive = tmp_path / "sourcedir.tar.gz"
    archive.write_bytes(source_archive({"train.py": os.urandom(100_000)})[:-3000])
    with pytest.raises(tarfile.TarError, match="the archive is damaged: "):
        sources.provide(tmp_path, str(archive))
    assert not (tmp_path / "code").exists()


READS_ALL = """
    import json, os, sys
    print("arguments:", json.dumps(sys.argv[1:]))
    shown = {k: v for k, v in os.environ.items() if k.startswith("SM_")}
    print("variables:", json.dumps(shown))
    sys.path.insert(0, "/opt/ml/code")
    import sagemaker_containers, sagemaker_training
    from sagemaker_training import environment
    known = environment.Environment()
    for toolkit in (sagemaker_containers, sagemaker_training):
        assert toolkit.training_env().described == known.described
    asked = [known.num_cpus, known.hyperparameters["b"], known.channel_input_dirs]
    print("asked:", json.dumps(asked))
    given = [os.environ["MINE"], known.hyperparameters["path"]]
    print("elsewhere:", all(not path.startswith("/opt") for path in given))
    others = sorted(set(os.environ) - set(shown))
    print("others:", json.dumps(others))
"""

VALUES = {
    "a-text": '"x y"',
    "b": "true",
    "map": '{"k": [1, 2], "é": "☁"}',
    "none": "null",
    "quote": 'O\'Neil "q"',
    "path": '"/opt/ml/checkpoints"',
}


def told(jobs, name, what):
    line = jobs.wait_for_line(name, f"{what}: ")
    return json.loads(line.removeprefix(f"{what}: "))


def test_the_toolkit_s_arguments_and_variables(jobs):
    channel = jobs.put(f"{boston.name()}/train", {"a.csv": "1"})
    name = jobs.start_as_of_old(
        READS_ALL,
        hyperparameters={**VALUES, "_tuning_objective_metric": "loss"},
        InputDataConfig=[channel],
        Environment={"MINE": "/opt/ml/output", "PYTHONPATH": "/nowhere"},
    )
    described = jobs.wait(name)
    assert described["TrainingJobStatus"] == "Completed", described
    assert told(jobs, name, "arguments") == [
        *("--a-text", "x y", "-b", "True", "--map", "k=[1, 2],é=☁", "--none", ""),
        *("--path", "/opt/ml/checkpoints", "--quote", 'O\'Neil "q"'),
    ]
    channels = {"train": "/opt/ml/input/data/train"}
    assert "elsewhere: True" in jobs.lines(name)
    assert told(jobs, name, "asked") == [os.cpu_count(), True, channels]
    versions = f"scikit-learn {version('scikit-learn')} with Python "
    assert versions in jobs.lines(name)[0]
    variables = told(jobs, name, "variables")
    assert variables["SM_CHANNEL_TRAIN"] == "/opt/ml/input/data/train"
    assert variables["SM_CHANNELS"] == '["train"]'
    assert variables["SM_HP_MAP"] == '{"k":[1,2],"\\u00e9":"\\u2601"}'
    assert variables["SM_HP_NONE"] == ""
    assert json.loads(variables["SM_HPS"]) == {
        "a-text": "x y",
        "b": True,
        "map": {"k": [1, 2], "é": "☁"},
        "none": None,
        "quote": 'O\'Neil "q"',
        "path": "/opt/ml/checkpoints",
    }
    assert variables["SM_MODULE_DIR"].endswith("/sourcedir.tar.gz")
    assert variables["SM_MODULE_NAME"] == "train"
    training = json.loads(variables["SM_TRAINING_ENV"])
    assert training["job_name"] == name
    assert training["model_dir"] == variables["SM_MODEL_DIR"] == "/opt/ml/model"
    others = told(jobs, name, "others")
    assert {"MINE", "TRAINING_JOB_NAME", "TRAINING_JOB_ARN"} <= set(others)
    assert {"AWS_REGION", "AWS_SESSION_TOKEN"} <= set(others)
    own = {"PIP_NO_INPUT", "PIP_DISABLE_PIP_VERSION_CHECK", "PIP_NO_WARN_CONFLICTS"}
    leaked = [one for one in others if re.match("PIP_|VIRTUAL_ENV|CONDA|AWS_PRO", one)]
    assert set(leaked) == own


NAMES_OPT_ML = """
    import glob, os, pathlib, shutil, sqlite3, subprocess, tempfile
    own = tempfile.mkdtemp()
    def attempt(what, act):
        try:
            act()
        except PermissionError as error:
            print("refused:", what, error.strerror)
        else:
            print("done:", what)
    model = "/opt/ml/model"
    attempt("write", lambda: open(model + "/a", "w"))
    attempt("read", lambda: open("/opt/ml/input/data/train/a.csv"))
    attempt("bytes", lambda: open(b"/opt/ml/output/data/a", "w"))
    attempt("pathlib", lambda: pathlib.Path(model + "/c").mkdir())
    attempt("makedirs", lambda: os.makedirs("/opt/ml/checkpoints/x"))
    attempt("around", lambda: os.mkdir("/opt/x/../ml/y"))
    attempt("relative", lambda: [os.chdir("/opt"), os.mkdir("ml/x")])
    os.chdir(own)
    attempt("listdir", lambda: os.listdir("/opt/ml"))
    attempt("glob", lambda: glob.glob("/opt/ml/input/data/train/*"))
    attempt("rename", lambda: os.rename(own, model))
    attempt("copy", lambda: shutil.copytree(own, model + "/c"))
    attempt("sqlite", lambda: sqlite3.connect(model + "/db"))
    attempt("child", lambda: subprocess.run(["touch", model + "/x"]))
    attempt("shell", lambda: os.system("echo 1 > /opt/ml/model/x"))
    def child():
        if subprocess.run(["python3", "-c", WRITES]).returncode:
            raise PermissionError(13, "in a child")
    attempt("python", child)
    open("a.sh", "w").write("#!/bin/sh\\n# /opt/ml\\ntouch /opt/ml/model/x")
    open("b.sh", "w").write("#!/bin/sh\\n# /opt/ml\\n")
    attempt("script", lambda: subprocess.run(["sh", "./a.sh"]))
    attempt("harmless", lambda: subprocess.run(["sh", "b.sh"]))
    attempt("another", lambda: open(own + "/opt-ml", "w"))
    attempt("mine", lambda: open(os.environ["SM_MODEL_DIR"] + "/x", "w"))
    attempt("rmtree", lambda: shutil.rmtree(model))
    def again():
        try:
            os.mkdir(model)
        except FileExistsError:  # as on AWS, where it is not made either
            os.makedirs(model, exist_ok=True)
    attempt("again", again)
    shutil.copy2("a.sh", "c.sh")
    code = "/opt/ml/input/data/code/train.py"
    there = [os.path.isdir(model), pathlib.Path(code).is_file(), os.access(model, 2)]
    there += [os.path.samefile(code, __file__), os.path.getsize(code.encode()) > 0]
    elsewhere = [os.path.exists(model + "/y"), pathlib.Path("/opt/ml/y").exists()]
    print("asked:", *there, *elsewhere)
    open("/opt/ml/model/last", "w")
"""
WRITES = "open('/opt' + '/ml/model/x', 'w')"


def test_a_script_that_names_opt_ml_is_told_what_to_use(jobs):
    before = _tree("/opt/ml")
    script = NAMES_OPT_ML.replace("WRITES", repr(WRITES))
    name = jobs.start({"train.py": script})
    described = jobs.wait(name)
    lines = jobs.lines(name)
    said = {
        line.split()[1]: line for line in lines if line.startswith(("refused", "done"))
    }
    assert {what for what, line in said.items() if line.startswith("done")} == {
        "again",
        "another",
        "harmless",
        "mine",
    }, lines
    assert len(said) == 21
    # A question is answered as on AWS.
    assert "asked: True True True True True False False" in lines
    assert 'Use os.environ["SM_CHANNEL_TRAIN"],' in said["read"]
    assert 'Use os.environ["SM_OUTPUT_DATA_DIR"],' in said["bytes"]
    assert "Use a hyperparameter or a variable of Environment" in said["makedirs"]
    assert described["FailureReason"].startswith(
        "AlgorithmError: The script names /opt/ml/model/last itself, and this local "
        "stand-in has another folder in the place of /opt/ml. Use "
        'os.environ["SM_MODEL_DIR"], which is right on AWS too. Traceback'
    )
    assert _tree("/opt/ml") == before


def _tree(folder):
    return sorted((str(path), path.stat().st_mtime) for path in Path(folder).rglob("*"))


SAYS_ITS_PACKAGE = """
    import os, sys, time
    import odd
    print("package:", odd.VERSION, odd.__file__, flush=True)
    shared = os.environ["SM_MODEL_DIR"]
    open(shared + "/version", "w").write(odd.VERSION)
"""


def test_two_jobs_at_once_each_with_requirements_of_its_own(jobs):
    def files(version):
        file = f"odd-{version}-py3-none-any.whl"
        own = {"requirements.txt": f"./{file}\n", file: wheel("odd", version)}
        return {"train.py": SAYS_ITS_PACKAGE, **own}

    no_index = {"PIP_NO_INDEX": "1"}
    started = {
        "1.0": jobs.start(
            files("1.0"), requirements="requirements.txt", Environment=no_index
        ),
        "2.0": jobs.start_as_of_old(files("2.0"), Environment=no_index),
    }
    library = f"/usr/local/lib/python{sysconfig.get_python_version()}/site-packages"
    for number, name in started.items():
        described = jobs.wait(name)
        assert described["TrainingJobStatus"] == "Completed", described
        assert f"package: {number} {library}/odd.py" in jobs.lines(name)
        assert jobs.files_of(described) == {"version": number}
    assert importlib.util.find_spec("odd") is None


PRINTS_MUCH = """
    import os, sys
    for number in range(40_000):
        print("line", number, "x" * 100, file=sys.stderr)
    sys.stdout.buffer.write(bytes(range(256)) * 4 + b"\\n")
    sys.stdout.flush()
    print("a" * 300_000)
    print("é" * 200_000, file=sys.stderr)
    print("loss=1.5; accuracy=nan; loss=[2]")
    print("epoch 1 loss=0.25;")
    os.makedirs(os.environ["SM_OUTPUT_DATA_DIR"] + "/plots")
    open(os.environ["SM_OUTPUT_DATA_DIR"] + "/plots/a.txt", "w").write("a plot")
    print("the end", end="")
"""

METRICS = [
    {"Name": "loss", "Regex": "loss=([0-9.]+)"},
    {"Name": "train:accuracy", "Regex": "accuracy=(.*?);"},
    {"Name": "epoch", "Regex": r"epoch (\d+) loss=(\S+)"},
]


def test_output_by_the_megabyte_and_metrics_of_ones_own(jobs):
    name = jobs.start_as_of_old(PRINTS_MUCH, algorithm={"MetricDefinitions": METRICS})
    described = jobs.wait(name)
    assert described["TrainingJobStatus"] == "Completed", described
    assert described["AlgorithmSpecification"]["MetricDefinitions"] == METRICS
    final = {
        one["MetricName"]: one["Value"] for one in described["FinalMetricDataList"]
    }
    assert final == {"loss": 0.25, "epoch": 1.0}
    listed = jobs.stand_in.client("cloudwatch").list_metrics(
        Namespace="/aws/sagemaker/TrainingJobs",
        Dimensions=[{"Name": "TrainingJobName", "Value": name}],
    )
    assert {one["MetricName"] for one in listed["Metrics"]} == set(final)
    assert jobs.files_of(described, "output.tar.gz") == {"plots/a.txt": "a plot"}
    pages = jobs.logs.get_paginator("filter_log_events").paginate(
        logGroupName=GROUP, logStreamNamePrefix=f"{name}/"
    )
    lines = [event["message"] for page in pages for event in page["events"]]
    # Some stand behind a beginning of what comes on standard output meanwhile.
    numbers = re.findall(r"line (\d+) x{100}", "".join(lines))
    assert numbers == [str(number) for number in range(40_000)]
    assert "".join(lines).count("é" * 1000) >= 190
    assert "the end" in "".join(lines)


SAVES_AT_THE_END = """
    import os, signal, subprocess, sys, time
    code = "import time; time.sleep(600)"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    left = subprocess.Popen(
        [sys.executable, "-c", code], start_new_session=True, **quiet
    )
    def end(*_):
        print("saving")
        with open(os.environ["SM_MODEL_DIR"] + "/model.txt", "w") as file:
            file.write("saved at the end")
        print("saved", flush=True)
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)
    print("pids:", os.getpid(), left.pid, flush=True)
    while True:
        time.sleep(1)
"""


def is_running(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("way", ["start", "start_as_of_old"])
def test_a_stopped_script_can_save_what_it_has_and_nothing_outlives_it(jobs, way):
    name = getattr(jobs, way)(SAVES_AT_THE_END)
    pids = [int(pid) for pid in jobs.wait_for_line(name, "pids: ").split()[1:]]
    assert all(map(is_running, pids))
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    described = jobs.wait(name)
    assert described["TrainingJobStatus"] == "Stopped", described
    assert jobs.files_of(described) == {"model.txt": "saved at the end"}
    lines = jobs.lines(name)
    assert lines.index("saved") == lines.index("saving") + 1
    if sys.platform == "linux":
        assert not any(map(is_running, pids))


def test_a_script_that_has_not_begun_does_not_begin_once_the_job_is_stopped(jobs):
    name = jobs.start("import time; print('begun', flush=True); time.sleep(600)")
    jobs.wait_for_line(name, "Starting training script")
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    assert jobs.wait(name)["TrainingJobStatus"] == "Stopped"


RESUMES = """
    import os, signal, sys, time
    folder = sys.argv[sys.argv.index("--checkpoints") + 1]
    done = len(os.listdir(folder))
    print("resumes at", done, flush=True)
    signal.signal(signal.SIGTERM, lambda *_: [print("told", flush=True), sys.exit()])
    for number in range(done, 12):
        with open(f"{folder}/{number:02d}", "w") as file:
            file.write(str(number))
        # The first attempt has no other end than an interruption.
        time.sleep(0.05 if done or number < 6 else 600)
    with open(os.environ["SM_MODEL_DIR"] + "/model.txt", "w") as file:
        file.write(str(len(os.listdir(folder))))
"""


def test_a_script_on_spot_capacity_resumes(jobs):
    name = boston.name("spot")
    name = jobs.start_as_of_old(
        RESUMES,
        hyperparameters={"checkpoints": '"/opt/ml/checkpoints"'},
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900},
        CheckpointConfig={"S3Uri": f"s3://{jobs.bucket}/{name}/checkpoints"},
        Environment={"LOCAL_AWS_SPOT_INTERRUPTION": "1"},
    )
    described = jobs.wait(name)
    assert described["TrainingJobStatus"] == "Completed", described
    statuses = [one["Status"] for one in described["SecondaryStatusTransitions"]]
    assert "Interrupted" in statuses
    lines = jobs.lines(name)
    first, second = [int(line.split()[2]) for line in lines if "resumes at" in line]
    assert first == 0 < second < 12
    assert "told" in lines
    assert jobs.files_of(described) == {"model.txt": "12"}


def refusal(jobs, **changes):
    with pytest.raises(ClientError) as caught:
        jobs.sagemaker.create_training_job(**jobs.request(boston.name(), **changes))
    return caught.value.response["Error"]["Message"]


def resources(**changes):
    return {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5} | (
        changes
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"ResourceConfig": resources(InstanceType="ml.g5.xlarge")},
            "InstanceType ml.g5.xlarge (with a GPU or another accelerator) is part of",
        ),
        ({"ResourceConfig": resources(InstanceCount=2)}, "InstanceCount above 1"),
        (
            {"HyperParameters": {"sagemaker_mpi_enabled": "true"}},
            "sagemaker_mpi_enabled (distributed training) is part of",
        ),
        (
            {"algorithm": {"MetricDefinitions": [{"Name": "a", "Regex": "a=[0-9]"}]}},
            "The Regex of metric [a], [a=[0-9]], has no group. Put the part",
        ),
        (
            {"algorithm": {"MetricDefinitions": [{"Name": "a", "Regex": "a=("}]}},
            "The Regex of metric [a], [a=(], isn't a regular expression: missing )",
        ),
        (
            {"algorithm": {"MetricDefinitions": [{"Name": "a", "Regex": "(a)"}] * 2}},
            "The names of metric definitions must be unique",
        ),
        (
            {"algorithm": {"MetricDefinitions": [{"Name": "a", "Regex": "(a)"}] * 41}},
            "Member must have length less than or equal to 40",
        ),
    ],
    ids=range(7),
)
def test_what_a_script_can_t_have_is_refused(jobs, changes, words):
    assert words in refusal(jobs, **changes)


def test_a_distributed_driver_is_refused_by_a_sentence(jobs):
    name = jobs.start("", is_distributed=True)
    reason = jobs.wait(name)["FailureReason"]
    assert reason.startswith("ClientError: distributed=... of ModelTrainer (Torchrun")


def test_nothing_outlives_a_stand_in_that_is_killed(home):
    running = start_stand_in(home)
    try:
        jobs = ScriptJobs(running)
        name = jobs.start(SAVES_AT_THE_END)
        pids = [int(pid) for pid in jobs.wait_for_line(name, "pids: ").split()[1:]]
        assert all(map(is_running, pids))
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait()
        deadline = time.monotonic() + 30
        while any(map(is_running, pids if sys.platform == "linux" else pids[:1])):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        stop_stand_in(running)
    running = start_stand_in(home)
    try:
        described = ScriptJobs(running).wait(name)
        assert described["TrainingJobStatus"] == "Failed"
        links = [path for path in Path("/tmp").glob("sagemaker-*/container")]
        own = [path for path in links if str(home) in str(path.resolve())]
        assert own == []
    finally:
        stop_stand_in(running)


def test_a_tuning_job_s_objective_must_be_among_its_metrics(jobs):
    definition = jobs.request("", algorithm={"MetricDefinitions": METRICS})
    del definition["TrainingJobName"]
    ranges = [{"Name": "alpha", "MinValue": "0.1", "MaxValue": "1"}]
    with pytest.raises(ClientError) as caught:
        jobs.sagemaker.create_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=boston.name("tune")[:32],
            HyperParameterTuningJobConfig={
                "Strategy": "Random",
                "HyperParameterTuningJobObjective": {
                    "Type": "Minimize",
                    "MetricName": "another",
                },
                "ResourceLimits": {
                    "MaxNumberOfTrainingJobs": 1,
                    "MaxParallelTrainingJobs": 1,
                },
                "ParameterRanges": {"ContinuousParameterRanges": ranges},
            },
            TrainingJobDefinition=definition,
        )
    assert caught.value.response["Error"]["Message"] == (
        "A metric is required for this hyperparameter tuning job objective. Provide a "
        "metric in the metric definitions."
    )
