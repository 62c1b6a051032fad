"""Builds a cluster from its parts: the only place that does.

plan.py      flags and cluster file → ClusterSettings
launch.py    the zygote and the daemon, started and waited for
daemon.py    the daemon: every component, wired
removal.py   nothing left behind
"""
