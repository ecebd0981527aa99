"""What the image sagemaker-xgboost does in algorithm mode: train and serve.

The newest tag, 3.2-0, and where it matters to a user the older ones (versions.py).

Facts (names, texts, order of checks, status codes) are those of the public source
of the image, aws/sagemaker-xgboost-container, and of the toolkit that it starts
through (PyPI: sagemaker_containers). The program knows the container contract and
nothing of the stand-in: folders under SAGEMAKER_BASE_DIR, the environment, the exit
code, /ping and /invocations.
"""
