"""What the image linear-learner:1 does for a regressor with csv: train and serve.

The image's source is closed. Facts are those of the AWS pages on Linear Learner
(hyperparameters, input and output formats, tuning) and of logs that users published;
where neither says, the texts are this program's own.

What differs from AWS's algorithm:

- The optimiser is averaged stochastic gradient descent, one row at a time
  (scikit-learn's SGDRegressor), where AWS's is Adam on mini-batches. Hyperparameters of
  that optimiser (optimizer, momentum, beta_1, beta_2, bias_lr_mult, bias_wd_mult,
  init_*) are checked and then have no effect; the log says so. mini_batch_size must
  not exceed the number of rows and paces the learning rate's schedule, and no more.
- learning_rate is the rate for rows of unit length: the step is divided by the mean
  squared length of a row, so that AWS's range (1e-5 to 1) is sensible for any data.
- `num_models` auto trains 8 models side by side, AWS's 32.
- quantile_loss, the classifiers, RecordIO, Pipe mode and several instances are
  refused.
- The artifact is a zip file of its own kind under AWS's name, model_algo-1.
"""
