@0xd9a8a3c1f3f7e003;
using Outline = import "share.capnp".Outline;
# What travels on the one-way channels of a link: frames, and behind each Chunk its bytes.

struct Open {
  # The first frame of every one-way channel: what it carries.
  union {
    manifest @0 :Offer;      # followed by Part frames until the channel ends
    chunks @1 :Data;         # a transfer's id; followed by Chunk frames, each with its bytes behind it
    outline @2 :Outline;     # followed by Part frames, then by Roots frames, until the channel ends
    pieces @3 :Data;         # a root; followed by Piece frames, each with its bytes behind it
  }
}

struct Offer {
  transfer @0 :Data;         # 16 random bytes
  name @1 :Text;             # what the whole is called
  entries @2 :UInt32;        # how many entries the parts hold together
  bytes @3 :UInt64;          # the sizes of all files together
}

struct Part {
  entries @0 :List(Entry);
}

struct Entry {
  path @0 :List(Text);       # components, outermost first
  union {
    directory @1 :Void;
    file @2 :UInt64;         # size in bytes
    link @5 :Target;         # only for peers whose Hello has revision 1 or more
    stream @6 :Void;         # of a size that nobody knows yet; alone in its offer; only for revision 2 or more
  }
  modified @3 :Int64;        # Unix milliseconds
  executable @4 :Bool;
}

struct Target {
  # Where a symbolic link leads from its own folder.
  up @0 :UInt16;             # first so many levels up
  names @1 :List(Text);      # then down by these, outermost first
}

struct Chunk {
  file @0 :UInt32;           # index of the entry in the manifest
  length @1 :UInt32;         # bytes that follow this frame
  offset @2 :UInt64;         # a multiple of the chunk size
  value @3 :Data;            # 32 bytes: chaining value of this subtree, or the root when the chunk is the whole file
  last @4 :Bool;             # of a stream: no more comes
}
