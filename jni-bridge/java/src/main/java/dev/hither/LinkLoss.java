package dev.hither;

/** Why a link ended. */
public enum LinkLoss {
    /** The peer closed it. */
    CLOSED,
    /** Nothing came for the idle time. */
    TIMED_OUT,
    /** The peer broke the protocol, or lost its state. */
    BROKEN,
    /** This side closed it. */
    OURS
}
