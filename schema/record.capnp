@0xc41a237c461ab594;
# What nodes of the table store: how to reach somebody, and where the maker of a code is. PROTOCOL.md says what is
# signed, and how what is sealed is sealed. There is one way to write each: bytes that a writer would not have written
# are refused, so nothing can be changed about them without the key.
#
# An address is 4, IPv4 (4 bytes) or 6, IPv6 (16 bytes); then the port (2 bytes, big-endian).

struct Record {
  # 512 bytes at most.
  kind @0 :RecordKind;
  period @1 :UInt32;         # days since the Unix epoch
  sequence @2 :UInt64;       # Unix milliseconds on the owner's clock; of two records the one with more is the newer
  ttl @3 :UInt32;            # seconds from when it arrives
  key @4 :Data;              # 32 bytes: the owner's key, blinded for the kind and the period
  sealed @5 :Data;           # salt (8 bytes), then Addresses or Bundle, filled up with zeros and encrypted
  signature @6 :Data;        # 64 bytes, by the blinded key
}

enum RecordKind {
  addresses @0;
  bundle @1;
}

struct Addresses {
  # Inside of a record: where its owner is now.
  at @0 :Data;               # up to 8 addresses
  introducers @1 :Data;      # empty, or the node key under which they know the owner (32 bytes), then up to 3 of them:
                             # the node's key (32 bytes), its address
}

struct Bundle {
  # Inside of a record: what outlives its owner's absence.
  mailboxes @0 :Data;        # up to 3 PeerIds
  prekey @1 :Data;           # X25519 key that is sealed to (32 bytes), or empty
  prekeyNumber @2 :UInt64;   # which of the owner's prekeys that is
  devices @3 :Data;          # up to 4 PeerIds
}

struct Note {
  # 256 bytes at most.
  mark @0 :Data;             # 16 bytes: a hash of where the sides of a code meet, of the hour and the network
  hour @1 :UInt32;           # hours since the Unix epoch
  key @2 :Data;              # PeerId: the one-time key under which the maker answers
  work @3 :UInt32;           # the number whose hash, with target and key, has leading zeros
  sequence @4 :UInt64;       # Unix milliseconds on the maker's clock
  sealed @5 :Data;           # salt (8 bytes), then addresses, filled up with zeros and encrypted
  signature @6 :Data;        # 64 bytes, by the one-time key
}
