package dev.hither;

/** What the rules say to an offer. */
public enum Decision {
    /** You are to answer: {@link Transfer#accept()} or {@link Transfer#refuse()}. */
    ASK,
    /** It may come, and you are to say how, as names are taken. */
    ASK_HOW,
    /** Accepted by rule; nothing is to be done. */
    ACCEPTED,
    /** Refused by rule; nothing is to be done. */
    REFUSED
}
