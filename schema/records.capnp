@0xd9a8a3c1f3f7e004;
# What a node keeps on its own disk. Never sent; only ever extended, so that newer programs read older records.

struct Contact {
  name @0 :Text;
  blocked @1 :Bool;
}

struct Queued {
  # A message that waits for its recipient's receipt.
  recipient @0 :Data;        # PeerId
  sequence @1 :UInt64;
  envelope @2 :Data;         # an Envelope of control.capnp
}

struct Kept {
  # A message that arrived.
  envelope @0 :Data;
  arrived @1 :UInt64;        # Unix milliseconds on this node's clock
}

struct PeerCount {
  # What is counted for a peer.
  sequence @0 :UInt64;       # of the last message written to it
  asked @1 :UInt64;          # when it last asked as a stranger: Unix milliseconds; 0 is never
  newest @2 :Data;           # id of the newest message in the conversation; may be empty
}
