"""The zygote: the single-threaded process that parents every sandbox and container.

It is started once a cluster, before any key is loaded, imports what containers
need, and forks them from itself: a container costs a few milliseconds, not an
interpreter's start. It outlives the daemon. The next daemon finds it again by its
Unix socket and learns from it what runs, what it logged and how it ended.

    server      the socket, the requests, the loop
    keeper      births, ends and removals of sandboxes and containers
    holdings    what the keeper holds of each
    loop        epoll and who waits for what
    messages    what daemon and zygote tell each other
    processes   the processes that are watched
    children    fork with a way to say what went wrong
    sandbox     pause processes and their namespaces
    container   a container's birth, in the forked child
    program     what it turns into at last: a program or a function of ours
    layers      what of the host it sees, behind a mask
    rootfs      its copy-on-write root, /proc, /sys, /dev and volumes
    confinement its user, capabilities and limits
    cgroup      version 1, version 2 and both at once
    exec        further processes in a running container
    logs        its output, in the CRI's format
    records     what is on disk for the next zygote
    syscalls    what Python lacks

There is no asyncio and no thread here: a fork of this process must be a clean
beginning.
"""
