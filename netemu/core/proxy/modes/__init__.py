"""One file a proxy mode; its name is what `--proxy-mode` takes."""
