"""MongoDB, and nothing but MongoDB: the only package that imports pymongo and bson."""
