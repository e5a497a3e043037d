package dev.hither;

/** Why a peer could not be reached. */
public enum Unreachable {
    /** No address is known and it was not seen near. */
    NOT_FOUND,
    /** Nothing at a known address can prove to be this peer. */
    NO_ANSWER,
    /** It speaks other versions of the protocol only. */
    OTHER_VERSION
}
