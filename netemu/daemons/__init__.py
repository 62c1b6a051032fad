"""The asyncio loops, named after the processes they play."""
