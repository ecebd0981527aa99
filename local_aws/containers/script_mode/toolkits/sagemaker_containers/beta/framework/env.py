"""Where a container's files are."""

import os

base_dir = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")
code_dir = os.path.join(base_dir, "code")
model_dir = os.path.join(base_dir, "model")
output_dir = os.path.join(base_dir, "output")
output_data_dir = os.path.join(output_dir, "data")
