"""The timeouts and connection limits of everything that asks Redis.

The connection limits are also the sizes of the pools, which open a connection only when one is needed.
"""

# A read of the cache. Contract: a failing cache may add at most 60 ms to an answer (bar 11 of docs/reliability.md).
READ_TIMEOUT_S = 0.04
# Taste: a lease is claimed so that work is not done twice, which is worth more than a read of the cache.
CLAIM_TIMEOUT_S = 0.25
# Taste: no request waits for a write, and a busy machine may need longer than a request could wait.
WRITE_TIMEOUT_S = 0.5
# Taste: reads and claims of idempotency keys. A request cannot do without them, so they wait longer than cache reads.
STATE_TIMEOUT_S = 0.25
# Taste: reads of API keys, which a request cannot do without either.
KEYS_TIMEOUT_S = 0.25
# Taste: a busy machine may need this long, and an outage costs it once.
LIMITS_TIMEOUT_S = 0.5
# Taste: an operator at `python -m serve.keys` waits longer than a request.
KEYS_COMMAND_TIMEOUT_S = 5.0
# Taste: `python -m serve.erase` runs unattended and must not give up early.
ERASE_TIMEOUT_S = 10.0
# Taste: how long a store is left alone after a failure, and how often it is then probed.
COOLDOWN_S = 1.0
# Taste: a timeout that fires later than this many times its value means that our own event loop was blocked.
LATE_FACTOR = 1.5
# Taste: redis-py's own timeouts are this many times ours. They only catch what ours miss, because redis-py cannot
# tell a slow store from a blocked event loop.
BACKSTOP_FACTOR = 10

# Taste: concurrent commands. Bar 11 of docs/reliability.md sends 64 requests at once to a slow store.
READ_CONNECTIONS, CLAIM_CONNECTIONS, WRITE_CONNECTIONS = 32, 8, 8
# Taste: a replica refreshes its snapshot of the keys once at a time.
KEYS_CONNECTIONS = 2
# Taste: a burst queues for these, because replicas that count locally are not exact.
LIMITS_CONNECTIONS = 4
STATE_CONNECTIONS = READ_CONNECTIONS + CLAIM_CONNECTIONS + WRITE_CONNECTIONS + KEYS_CONNECTIONS + LIMITS_CONNECTIONS
