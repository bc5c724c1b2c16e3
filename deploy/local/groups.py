"""How many servers a group of Valkeys has, and on which ports: those of a group lie above its port."""

# Under Sentinel: a primary and a replica, and who watches them.
SERVERS, SENTINELS = 2, 3
# In a cluster: a primary and a replica for each shard.
SHARDS, NODES = 3, 6
# The port on which a node talks to the others lies so far above its own.
BUS = 10

# By the mode of the group; a server that is alone has no port.
PORTS = {
    "replica": tuple(range(SERVERS + SENTINELS)),
    "cluster": (*range(NODES), *range(BUS, BUS + NODES)),
}
