"""How fast and how small netemu is: each figure measured, beside what it must be.

contract.py  what a figure is, and how its samples become a verdict
bed.py       a cluster of the bench's own, made and removed from the command line
memory.py    what a process really costs, as the kernel counts it
questions.py a load of DNS questions
machine.py   what it was measured on
figures/     one file a figure; its name is the word that users type
"""
