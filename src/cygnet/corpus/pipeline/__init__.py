"""From sources to a corpus: stages that turn one shard into one, on any engine, and steps that look at all shards."""
