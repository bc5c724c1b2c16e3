"""Every bound of a connection and of its streams: sizes in bytes, times in seconds."""

# What a stream may send before its handler takes it, and all streams together.
STREAM_WINDOW = 256 * 1024
CONNECTION_WINDOW = 8 * 1024 * 1024
# How many bytes a handler may have written that are not sent yet; beyond them, its next write waits.
SEND_BUFFER = 512 * 1024
# A gateway puts the calls of all its clients on few connections. Each unfinished call costs some 3 KB.
MOST_STREAMS = 2_000
# How many streams we reset because the client broke the protocol on them, before its connection is closed. Many: each
# costs little, and a gateway's connection carries everybody's calls.
MOST_BROKEN_STREAMS = 100_000
# httpunk silently drops the header fields beyond this size. Long before, streams refuse a head with a status
# (MOST_METADATA_BYTES).
MOST_HEADER_BYTES = 1024 * 1024
# Bytes of requests, complete or not, that no handler has taken yet, over all streams of a connection.
MOST_HELD = 64 * 1024 * 1024
# A request must be complete this long after it began, even if its deadline is later.
LONGEST_UPLOAD_S = 30.0
# A new connection must have sent its preface by then.
PREFACE_WITHIN_S = 10.0
# When the client leaves this much unread, we stop reading from it, so that no more answers pile up. If it has not read
# on after STALLED_S, the connection is closed.
MOST_UNREAD = 1024 * 1024
STALLED_S = 30.0
# A connection reads at most this much in one turn of the loop; then the other connections have theirs.
BYTES_A_TURN = 16 * 1024
# How long a client may take to react to GOAWAY; after that the connection is closed as soon as it is idle.
GOAWAY_WITHIN_S = 5.0
# How long a client that has had all its answers, and knows that it must go, may take to go by itself.
LEAVE_WITHIN_S = 1.0
# How long a message of an answer may take to be read.
LONGEST_WRITE_S = 30.0
# More metadata than this is refused, as gRPC's own servers do.
MOST_METADATA_BYTES = 16 * 1024
