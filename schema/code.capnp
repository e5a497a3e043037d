@0xd9a8a3c1f3f7e006;
# What two sides of a code say to each other, on the control channel of a link between their one-time keys.

struct CodeStep {
  union {
    begin @0 :Data;          # whoever typed the code: a CPace share, 32 bytes
    reply @1 :Data;          # whoever made it: the other share
    prove @2 :Proof;         # whoever typed it
    proven @3 :Proof;        # whoever made it; from here on it is a link like any other
    refuse @4 :CodeRefusal;  # whoever made it, which then closes the link
  }
}

struct Proof {
  confirmation @0 :Data;     # 32 bytes that take the code to know
  identity @1 :Data;         # a CodeIdentity, sealed
}

struct CodeIdentity {
  # Inside of a seal whose key takes the code to know.
  peer @0 :Data;             # PeerId
  signature @1 :Data;        # Ed25519 by that peer over the exchange
  wants @2 :CodeWants;
}

enum CodeWants {
  # What a side is here for. Who sends and who receives fit each other, and so do two that meet.
  send @0;
  receive @1;
  meet @2;
}

enum CodeRefusal {
  wrong @0;                  # the confirmation is not right
  burnt @1;                  # three wrong ones were tried, this one may be the third
  expired @2;
  used @3;
  busy @4;                   # too many wait for their turn
}
