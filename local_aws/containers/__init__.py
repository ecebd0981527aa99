"""Programs that stand for algorithm images. Each knows only the container contract.

To add an algorithm, write a package here and put its name into `images.ALGORITHMS`.
`image.IMAGE` describes its image; `__main__.main` is given train or serve and hands it
to `contract.run`, which calls `main` of the package's `training` or `serving`. These
are a function of the base folder for `contract.train`, and two functions, which load a
model and respond to a request, for `contract.serve`. `hyperparameters.NAMES` are the
names that a request may use.
"""
