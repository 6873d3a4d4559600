"""Sources, whatever they are, as one stream of records: nothing of a file is left out without being told.

`config` says what a source is, `shards.list_shards` which files it has and `shards.read_shard` reads one.
"""
