"""The commands, one file each: what they ask for, and what they do."""
