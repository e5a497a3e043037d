package dev.hither;

/** Why a code is good for nothing any more, or came to nothing. */
public enum CodeEnd {
    /** Three wrong codes were tried on it. */
    BURNT,
    /** Its time is over. */
    EXPIRED,
    /** It was used by as many as it was made for. */
    USED,
    /** Nobody was found who has made it. */
    NOT_FOUND,
    /** Whoever has made it could not be reached. */
    NO_ANSWER,
    /** At least one word is wrong. */
    WRONG_CODE,
    /** It is right, and was made for something else. */
    DIFFERENT_PURPOSE,
    /** Somebody else is using it, and others wait. */
    BUSY,
    /** Somebody puts many false ones at its place; a new code has another. */
    TOO_MANY,
    /** It was made by this very identity. */
    ONESELF,
    /** It is right, and nothing can be offered to whoever is there. */
    CANNOT_OFFER
}
