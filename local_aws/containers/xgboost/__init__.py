"""What the image sagemaker-xgboost does in algorithm mode: train and serve.

It is the newest tag, 3.2-0, whatever tag a request names; only the form of a real-time
response of several rows is the old toolkit's for tags up to 1.2-1.

Facts (names, texts, order of checks, status codes) are those of the public source
of the image, aws/sagemaker-xgboost-container, and of the toolkit that it starts
through (PyPI: sagemaker_containers). The program knows the container contract and
nothing of the stand-in: folders under SAGEMAKER_BASE_DIR, the environment, the exit
code, /ping and /invocations.
"""
