"""The datastore: content-addressed blobs and immutable records on top of a storage."""
