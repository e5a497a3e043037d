@0xd9a8a3c1f3f7e004;
# What a node keeps on its own disk. Never sent; only ever extended, so that newer programs read older records.

struct Contact {
  name @0 :Text;
  blocked @1 :Bool;
  verified @2 :Bool;         # the user has compared the safety words
  trust @3 :Trust;           # null: none
}

struct Trust {
  # What a contact offers is taken without asking.
  into @0 :Text;             # the folder it goes into
  upTo @1 :UInt64 = 18446744073709551615;  # bytes of one offer; the largest number: any
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

struct Unfinished {
  # A transfer that was begun and is not complete, by its 16 bytes.
  peer @0 :Data;
  name @1 :Text;
  files @2 :UInt32;
  bytes @3 :UInt64;          # all together
  done @4 :UInt64;           # that the receiver has, as far as this side knew last
  begun @5 :UInt64;          # Unix milliseconds
  paused @6 :Bool;           # by the user of this side
  union {
    sending @7 :List(Text);  # the paths, as they were named
    receiving @8 :Receiving;
    complete @9 :Data;       # received and in place, with this root
    fetching @11 :Fetching;
  }
  links @10 :Bool;           # whether symbolic links are sent as such
}

struct Fetching {
  # From whoever has some of it.
  ticket @0 :Text;
  receiving @1 :Receiving;
}

struct Receiving {
  into @0 :Text;             # the folder
  digest @1 :Data;           # of the manifest that was accepted
  places @2 :List(Renamed);
  skip @3 :Data;             # entries that are not wanted, as in control.capnp
  overwrite @4 :Bool;
}

struct Renamed {
  from @0 :Text;             # an outermost name of the offer
  to @1 :Text;               # what it is called here
}

struct JournalHead {
  # The first frame of a journal, the file `.hither-<transfer>.journal` in the folder of a transfer that is being received.
  version @0 :UInt16;        # 1
  transfer @1 :Data;
  sender @2 :Data;           # PeerId
}

struct JournalBatch {
  # Every further frame. What it says is on the disk was durable before it was written.
  directories @0 :List(Directory);
  chunks @1 :List(StoredChunk);
  placed @2 :List(PlacedFile);
}

struct Directory {
  # A directory that files of the transfer go into.
  path @0 :Text;             # below the folder, components joined by /
  made @1 :Bool;             # whether the transfer makes it
}

struct StoredChunk {
  file @0 :Data;             # the file's identity: 16 bytes
  index @1 :UInt64;          # number of the chunk
  value @2 :Data;            # its hash
}

struct PlacedFile {
  # Written just before the file takes its name.
  file @0 :Data;
  root @1 :Data;
}

struct StoredCode {
  # A code that was made here and is still good. It holds the code itself: whoever reads it can use it.
  words @0 :Text;            # with - between them
  purpose @1 :Data;          # a hash of what it is for
  expires @2 :UInt64;        # Unix milliseconds
  taken @3 :UInt8;           # attempts that were begun and did not prove it
  receivers @4 :UInt16;      # how many may still use it
}

struct RememberedNodes {
  # Nodes of the table that answered, to begin with at the next start.
  addresses @0 :Data;        # one after the other, as in the addresses of a record (record.capnp)
}
