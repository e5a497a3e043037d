package dev.hither;

/** What became of a message of ours. */
public enum MessageState {
    /** The recipient has it on disk. */
    DELIVERED,
    /** It is kept here, on disk, until the recipient can be reached. */
    WAITING,
    /** The recipient takes no messages from strangers; it is not kept. */
    REFUSED
}
