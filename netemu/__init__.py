"""netemu: Kubernetes networking on one Linux host, made of real parts."""

__version__ = "0.1.0"
