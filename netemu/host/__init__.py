"""Effects: namespaces, links, netfilter, processes, mounts, cgroups."""
