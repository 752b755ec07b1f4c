"""What has nothing to do with sound: problems, hashing, files, storage, tables, worker processes, formatting."""
