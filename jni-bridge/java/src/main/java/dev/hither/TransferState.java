package dev.hither;

/** How a transfer stands. */
public enum TransferState {
    /** Bytes move, or are about to. */
    ACTIVE,
    /** One side wants it to stand still. */
    PAUSED,
    /** The link was lost; the peer is waited for. */
    WAITING,
    /** It goes on when it is resumed, or the same is offered again. */
    INTERRUPTED
}
