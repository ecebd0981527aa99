"""What scripts import of the toolkit in AWS's scikit-learn image.

A script that names it is to run unchanged: here are the functions that scripts call,
with what they return. Imports nothing of this project, since scripts import it in
training too.
"""

from sagemaker_training import training_env as training_env
