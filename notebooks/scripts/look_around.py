"""Print what a script finds in its job: its Python, its folders, and who it is."""

import os
import sys
from pathlib import Path

import boto3
import pandas
import sklearn

print(f"| Python {sys.version_info.major}.{sys.version_info.minor}")
print(f"| scikit-learn {sklearn.__version__}, pandas {pandas.__version__}")
print(f"| this file: {Path(__file__).resolve()}")
for name in ["SM_CHANNEL_TRAIN", "SM_MODEL_DIR", "SM_OUTPUT_DATA_DIR"]:
    print(f"| {name}: {os.environ[name]}")
files = sorted(Path(os.environ["SM_CHANNEL_TRAIN"]).iterdir())
print(f"| in the channel: {', '.join(file.name for file in files)}")
print(f"| arguments: {' '.join(sys.argv[1:])}")
sts = boto3.client("sts", region_name=os.environ["AWS_REGION"])
print(f"| identity: {sts.get_caller_identity()['Arn']}")
