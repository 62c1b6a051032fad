"""Looks at the host with a doctor's eyes: tries each facility, in a namespace thrown away after.

    examination.py   everything, for `netemu doctor`
    requirement.py   what `netemu up` cannot do without, in a few milliseconds
    throwaway.py     a child process in namespaces of its own
    kernel.py        what is tried there
    programs.py      what is installed, in which version
    limits.py        how much there may be of things
    machine.py       what kind of machine this is, what guards it
    network.py       who else does networking here
    surroundings.py  clusters and what they left

What the answers mean is in core/doctor.py.
"""
