package dev.hither;

/** Why an offer was refused. */
public enum Refusal {
    /** The person, or a rule of theirs, said no. */
    DECLINED,
    /** Nobody was there to ask, and the sender is no contact. */
    STRANGER,
    /** Something of that name exists. */
    WOULD_OVERWRITE,
    /** It does not fit. */
    NO_SPACE,
    /** The folder cannot be written. */
    NOT_WRITABLE,
    /** The offer contradicts itself or holds a name that is not allowed. */
    BAD_MANIFEST,
    /** Too many offers or transfers at once. */
    BUSY,
    /** More files and directories than are taken of this sender at once. */
    TOO_MANY
}
