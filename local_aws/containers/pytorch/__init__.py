"""The images of PyTorch: they run a script of the user's own."""
