"""The engine: pure rules (plan, position, table, states, resume) and one loop that does the I/O."""
