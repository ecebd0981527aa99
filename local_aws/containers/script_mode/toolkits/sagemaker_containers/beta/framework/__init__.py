"""content_types, encoders, env, errors and worker."""
