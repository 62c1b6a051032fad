"""The virtual machine as data: what it is made of and how qemu is asked for it.

`recipe` says what the machine's disk holds and which key names it, `initramfs` packs the
few files that the kernel needs before the disk, `machine` is qemu's command line, `order`
what runs inside. host/virtual_machine carries it out.
"""
