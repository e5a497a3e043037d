package dev.hither;

/** What a code is for. The two sides need opposite halves: one sends and one receives, or both pair. */
public enum CodePurpose {
    /** To offer something. */
    SEND,
    /** To be offered something. */
    RECEIVE,
    /** To become contacts. */
    PAIR
}
