package dev.hither;

/** What someone is to this node. */
public enum Standing {
    /** In the contacts. */
    CONTACT,
    /** Named for now. */
    EXPECTED,
    /** Neither. */
    STRANGER
}
