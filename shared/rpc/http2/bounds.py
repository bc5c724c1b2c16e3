"""Every bound of a connection and of its streams: sizes in bytes, times in seconds."""

# What a stream may send before its handler takes it, and all streams together.
STREAM_WINDOW = 256 * 1024
CONNECTION_WINDOW = 8 * 1024 * 1024
# What a handler may have written that is not sent: then it waits.
SEND_BUFFER = 512 * 1024
# A gateway puts the calls of all its clients on few connections. Each unfinished call costs some 3 KB.
MOST_STREAMS = 2_000
# Streams that the client has broken and we had to reset, before its connection is given up: the connection of a gateway
# is everybody's, and each of them costs little.
MOST_BROKEN_STREAMS = 100_000
# httpunk leaves out what a head has beyond this, and says nothing. Streams refuse far less, with a status.
MOST_HEADER_BYTES = 1024 * 1024
# Requests that no handler has taken, whole or not, of all streams together.
MOST_HELD = 64 * 1024 * 1024
# A request that has begun must be whole by then, whatever its deadline.
LONGEST_UPLOAD_S = 30.0
# The first bytes must have come by then.
PREFACE_WITHIN_S = 10.0
# So much that the client has not read is kept; then its bytes are not read either, until it has, for so long.
MOST_UNREAD = 1024 * 1024
STALLED_S = 30.0
# After so many bytes the other connections have their turn.
BYTES_A_TURN = 16 * 1024
# How long GOAWAY may take to be understood, before the connection is closed as soon as it is idle.
GOAWAY_WITHIN_S = 5.0
# How long a client that has had all its answers, and knows that it must go, may take to go by itself.
LEAVE_WITHIN_S = 1.0
# How long a message of an answer may take to be read.
LONGEST_WRITE_S = 30.0
# As gRPC's own servers: more metadata than this is refused.
MOST_METADATA_BYTES = 16 * 1024
