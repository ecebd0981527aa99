"""The image of scikit-learn: it runs a script of the user's own."""
