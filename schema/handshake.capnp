@0xd9a8a3c1f3f7e001;
# What travels inside the two Noise messages of a handshake.

enum Cipher {
  # The AEAD of QUIC packets after the handshake.
  chaCha20Poly1305 @0;
  aes256Gcm @1;
}

struct ClientHello {
  # Payload of message 1, encrypted to the responder.
  peer @0 :Data;              # the initiator's PeerId, 32 bytes; must convert to the static key that was proven
  ciphers @1 :List(Cipher);   # what the initiator is willing to use, best first
  transport @2 :Data;         # QUIC transport parameters
}

struct ServerHello {
  # Payload of message 2.
  cipher @0 :Cipher;          # one of those offered
  transport @1 :Data;         # QUIC transport parameters
}
