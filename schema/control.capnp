@0xd9a8a3c1f3f7e002;
using Share = import "share.capnp".Share;
using CodeStep = import "code.capnp".CodeStep;
# What travels on the control channel of a link: one frame each, in order, both ways.

struct Control {
  union {
    hello @0 :Hello;         # first, once, from each side
    message @1 :Envelope;    # a message for a person
    receipt @2 :Receipt;     # what became of a message
    answer @3 :Answer;       # what the receiver says to an offer
    complete @4 :Complete;   # the sender has sent everything
    received @5 :Received;   # the receiver has everything, verified and in place
    cancel @6 :Cancel;       # either side gives a transfer up, for good
    pause @7 :Data;          # either side wants a transfer to stand still: its 16 bytes
    resume @8 :Data;         # and to go on; its sender offers it again where it is not under way on this link
    share @9 :Share;         # about content known by its root
    code @10 :CodeStep;      # on links between one-time keys, and nothing else is there
  }
}

struct Hello {
  agent @0 :Text;            # program and version, for people; at most 64 bytes
  revision @1 :UInt16;       # of this wire version, the newest that the program knows: what it may be sent (PROTOCOL.md, 13)
}

struct Envelope {
  # The same on every road: what is signed is what is stored.
  content @0 :Data;          # a Content, serialized
  signature @1 :Data;        # Ed25519 by the sender over label, recipient and content
}

struct Content {
  id @0 :Data;               # 16 random bytes
  sender @1 :Data;           # PeerId
  recipient @2 :Data;        # PeerId
  sequence @3 :UInt64;       # counts the sender's messages to this recipient, from 1
  parents @4 :List(Data);    # ids of the newest messages the sender had seen in this conversation
  time @5 :UInt64;           # Unix milliseconds on the sender's clock
  text @6 :Text;
}

struct Receipt {
  id @0 :Data;
  state @1 :ReceiptState;
}

enum ReceiptState {
  stored @0;
  refused @1;                # the recipient takes no messages from this sender
}

struct Answer {
  transfer @0 :Data;         # 16 bytes, chosen by the sender
  union {
    accept @1 :Acceptance;
    refuse @2 :Refusal;
  }
}

struct Acceptance {
  # Sets of entries: bit i%8 of byte i/8 is entry i, least significant first; they may end early.
  skip @0 :Data;             # entries that do not travel and do not count
  held @1 :Data;             # files that the receiver has in place from before
  runs @2 :List(Run);        # chunks it has of other files, in ascending order
}

struct Run {
  file @0 :UInt32;           # number of the entry
  first @1 :UInt64;          # number of the first chunk
  count @2 :UInt64;          # at least 1
}

enum Refusal {
  declined @0;               # the person, or a rule of theirs, said no
  stranger @1;               # nobody was there to ask, and the sender is no contact
  wouldOverwrite @2;         # something of that name exists
  noSpace @3;
  notWritable @4;
  badManifest @5;            # the offer contradicts itself or holds a name that is not allowed
  busy @6;                   # too many offers or transfers at once
  tooMany @7;                # more entries than are taken of this sender; only for peers of revision 1 or more
}

struct Complete {
  transfer @0 :Data;
  root @1 :Data;             # 32 bytes, see transfer.capnp
}

struct Received {
  transfer @0 :Data;
  root @1 :Data;             # the receiver's own computation
}

struct Cancel {
  transfer @0 :Data;
  reason @1 :CancelReason;
}

enum CancelReason {
  cancelled @0;              # a person stopped it
  sourceChanged @1;          # a file changed or vanished while it was sent
  mismatch @2;               # content did not verify
  diskFull @3;
  diskFailed @4;
  violation @5;              # the other side broke the protocol
  wouldOverwrite @6;         # a name was taken before the file could be put in place
  stalled @7;                # nothing went on for minutes, though the link lives
}
