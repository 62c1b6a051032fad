"""What a host must have to run clusters, what is worth knowing of it, how clusters are.

host/doctor tries and looks; what it found comes here as `Observation`s, and leaves as
`Finding`s in the order of a catalogue. `netemu doctor` shows them, `netemu up` stops at the
first that is missing, and docs/troubleshooting.md explains each.

    findings.py   what an observation of a check means
    catalogue.py  the checks of a host: why, what to do, how to look by hand
    health.py     the checks of one cluster
    sights.py     numbers and names → observations
"""
