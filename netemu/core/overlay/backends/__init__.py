"""One file an overlay backend; its name is what `--overlay` takes."""
