"""What the image sagemaker-xgboost:3.2-0 does in algorithm mode: train and serve.

Facts (names, texts, order of checks, status codes) are those of the public source
of the image, aws/sagemaker-xgboost-container, and of the toolkit that it starts
through (PyPI: sagemaker_containers). The program knows the container contract and
nothing of the stand-in: folders under SAGEMAKER_BASE_DIR, the environment, the exit
code, /ping and /invocations.
"""
