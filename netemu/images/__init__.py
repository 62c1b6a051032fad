"""The programs that run inside containers when no other is named.

Each is a module with a function `main(args: list[str]) -> int` that the zygote has
imported beforehand and calls in a forked child. It runs in the container's root,
where Python's own files may be hidden: whatever it imports, it imports at the top.
A module may define `prepare()`, called before the Pod's namespaces are entered and
passed on as `main`'s second argument, `PROGRAMS`, names that an exec may use, and
`furnish(folder)`, which fills a layer that lies on top of the container's root.
"""
