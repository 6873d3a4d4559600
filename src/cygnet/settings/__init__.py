"""Settings from TOML files and command lines: merged, validated at once, every mistake told with its place."""
