@0x93b7481173b71b98;
# What nodes of the table say to each other: one query, one response, inside of datagrams. Contacts are packed: 32 bytes of
# key, 4 or 16 of IP, 2 of port, big-endian, one behind the other and the nearest first.

struct Query {
  server @0 :Data;           # the asking node's own key, 32 bytes, if it can be asked in turn; else empty
  union {
    ping @1 :Data;           # empty, or the 16 bytes of a dial-back that whoever is asked has wanted
    findNode @2 :Data;       # 32 bytes: where
    get :group {
      target @3 :Data;       # 32 bytes: where
      page @4 :UInt8;        # of notes, from 0
    }
    put @5 :Item;            # needs a cookie
    dialBack @6 :Data;       # 16 bytes that name it; needs a cookie
    dialOn :group {          # needs a cookie
      to @7 :Data;           # one contact
      nonce @8 :Data;        # 16 bytes
    }
    register @9 :Data;       # 32 bytes: the asking node's own key, to be punched for; needs a cookie
    punch :group {           # needs a cookie
      to @10 :Data;          # 32 bytes: the key of whoever is registered
      call @11 :Data;        # 144 bytes: PROTOCOL.md says what
    }
    punchOn :group {         # needs a cookie
      from @12 :Data;        # where the punch came from: 4 or 16 bytes of IP, 2 of port, big-endian
      call @13 :Data;        # the same
    }
  }
}

struct Item {
  union {
    record @0 :Data;         # a Record
    note @1 :Data;           # a Note
  }
}

struct Response {
  observed @0 :Data;         # where the request came from: 4 or 16 bytes of IP, 2 of port, big-endian
  cookie @1 :Data;           # 16 bytes
  union {
    done @2 :Void;
    nodes :group {
      v4 @3 :Data;           # contacts
      v6 @4 :Data;
    }
    found :group {
      v4 @5 :Data;
      v6 @6 :Data;
      items @7 :List(Item);  # the strongest first
      more @8 :Bool;         # there are further pages of notes
    }
    stored @9 :Void;
    refused @10 :Refusal;
    at @11 :Data;            # where whoever is punched for is: as observed
  }
}

enum Refusal {
  cookie @0;                 # missing, too old, or another address's: a new one is beside this
  older @1;                  # a newer record of the same key is there, or another of the same number
  expired @2;                # its time is over, or has not come
  full @3;                   # stronger or nearer ones take all the room
  nobody @4;                 # nobody is known who could do it
  unproven @5;               # a ping under the key comes first, to be answered
}
