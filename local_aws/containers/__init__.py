"""Programs that stand for algorithm images. Each knows only the container contract."""
