package dev.hither;

/** Why a transfer failed. */
public enum TransferFailure {
    /** The paths cannot be offered. */
    CANNOT_READ,
    /** The receiver said no; the detail is the name of a {@link Refusal}. */
    REFUSED,
    /** It was stopped here. */
    CANCELLED,
    /** The other side stopped it. */
    CANCELLED_BY_PEER,
    /** A file changed or vanished while it was sent. */
    SOURCE_CHANGED,
    /** Content did not verify. */
    MISMATCH,
    /** The receiving disk is full. */
    DISK_FULL,
    /** A name was taken before the file could be put in place. */
    WOULD_OVERWRITE,
    /** A disk failed, or a descriptor did. */
    DISK,
    /** The link was lost; the detail is the name of a {@link LinkLoss}. */
    LINK_LOST,
    /** The other side is there, but nothing went on for minutes. */
    TIMED_OUT,
    /** The peer was not reached; the detail is the name of an {@link Unreachable}. */
    UNREACHABLE,
    /** The other side broke the protocol. */
    VIOLATION,
    /** Nobody who could be asked has it. */
    NOBODY_HAS_IT,
    /** The other side's program is too old for what is in it. */
    PEER_TOO_OLD,
    /** It has more pieces than can be transferred. */
    TOO_LARGE
}
