@0xd9a8a3c1f3f7e005;
# What two peers say to each other about content that one or both hold or fetch, known by its root.

struct Share {
  # On the control channel.
  root @0 :Data;             # 32 bytes: what a ticket names
  union {
    seek @1 :Seek;           # I fetch this: tell me what you have of it, now and from now on
    have @2 :Have;           # what I have of it, besides what I said before
    ask @3 :List(Run);       # send me these pieces
    cancel @4 :List(Run);    # do not send me these any more
    lack @5 :List(Run);      # you asked me for these, and I do not have them
    others @6 :List(Other);  # who else fetches or has it: hints
    leave @7 :Leaving;       # I am no part of it any more, or never was
    changed @8 :List(Run);   # these are no longer what I said I have: the file they are of has changed here
  }
}

struct Seek {
  outline @0 :Bool;          # send its outline too
}

struct Have {
  union {
    all @0 :Void;
    bits @1 :Bits;
    pieces @2 :List(UInt32);
  }
}

struct Bits {
  first @0 :UInt32;          # a multiple of 8
  bits @1 :Data;             # piece first + i: bit i%8 of byte i/8, least significant first
}

struct Run {
  first @0 :UInt32;          # a piece
  count @1 :UInt32;          # how many from there on
}

struct Other {
  peer @0 :Data;             # PeerId
  addresses @1 :List(Data);  # 4 or 16 bytes of IP, 2 of port, big-endian
}

enum Leaving {
  done @0;                   # I have all that I want: send me nothing more; what I have I still send
  unknown @1;                # I do not share this
  busy @2;                   # there are too many others
  stopped @3;                # I neither send nor want anything of it any more
}

struct Outline {
  # First on a one-way channel: what the root stands for. Part frames follow (transfer.capnp), then Roots frames.
  root @0 :Data;
  name @1 :Text;             # what the whole is called
  entries @2 :UInt32;        # how many entries the parts hold together
  bytes @3 :UInt64;          # the sizes of all files together
}

struct Roots {
  roots @0 :Data;            # 32 bytes for each file, in the order of the entries
}

struct Piece {
  # On a one-way channel that is open for pieces of a root; its bytes are behind it.
  piece @0 :UInt32;
  length @1 :UInt32;         # bytes that follow this frame
  value @2 :Data;            # 32 bytes, as in a Chunk
  proof @3 :Data;            # 32 bytes for each sibling on the way to the file's root, the lowest first
}
