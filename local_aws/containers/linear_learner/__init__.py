"""What the image linear-learner:1 does: train and serve linear models.

The image's source is closed. Facts are those of the AWS pages on Linear Learner
(hyperparameters, input and output formats, tuning) and of logs that users published;
where neither says, the texts are this program's own.

Models are trained as AWS describes it: 32 side by side on the same mini-batches, by
Adam (or what `optimizer` says), each with rates and regularisation of its own. After
each epoch they are compared by the criterion on the validation data (without any, by
their loss on the training data), and the best of all epochs is kept, with the threshold
that is best on that data.

What differs from AWS's algorithm, or is not known of it:

- Which rates and regularisations the models have, the order of the rows and the start
  are this program's own, and so is that an epoch's model is the mean of its steps:
  models are of the same quality and not the same.
- positive_example_weight_mult auto tries 1 and balanced, and the criterion decides
  (without validation data the loss, which is for 1).
- Weighted losses have the weights that training has, and a mean weight of 1; with auto
  they are unweighted. Criteria and all other metrics are unweighted.
- A threshold lies half way between two scores of the rows that it was chosen on. The
  loss criteria leave it at 0.5 (hinge loss, whose scores are not probabilities: at 0).
  When no threshold reaches a target the nearest is taken, and the log says so.
- A classifier has no csv to respond with: AWS's pages do not list it, its column order
  is not published, and people have reported that there is none. It gets 406. A
  transform job that asks for nothing gets a line for each record, of csv from a
  regressor and of JSON from a classifier; what AWS's image does then is not known.
- A regressor's optimiser is averaged stochastic gradient descent, one row at a time
  (scikit-learn's SGDRegressor), for 8 models; only quantile_loss is trained as the
  classifiers are. Hyperparameters of AWS's optimiser (optimizer, momentum, beta_1,
  beta_2, bias_lr_mult, bias_wd_mult, init_*) are checked and then have no effect on
  it; the log says so. mini_batch_size paces the learning rate's schedule, and no more.
  learning_rate is the rate for rows of unit length: the step is divided by the mean
  squared length of a row.
- Of RecordIO-protobuf a request may have tensors of any kind of number, and training
  data float32 only, as AWS's page says. Pipe mode and several instances are refused.
- The artifact is a zip file of its own kind under AWS's name, model_algo-1.
"""
